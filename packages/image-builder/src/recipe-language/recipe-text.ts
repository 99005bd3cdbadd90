/**
 * YAML as plain values, with the place of every key and value, so that errors can point.
 *
 * YAML 1.2, core schema, no merge keys, no tags of our own. Bounded: size, depth, number of values after aliases are expanded (a few lines of nested
 * aliases would else fill the memory). Keys keep their text: `1.30:` is the key "1.30", not the number 1.3.
 */
import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument, type Scalar } from "yaml";
import { type Problem, recipeError } from "./problem.ts";

export type Path = readonly (string | number)[];

export interface Place {
  /** From 1. */
  readonly line: number;
  readonly column: number;
  readonly length: number;
}

export interface RecipeText {
  /** As it is shown to people. */
  readonly file: string;
  readonly text: string;
  readonly value: unknown;
  /** Where a value (or its key) stands; where there is none, the nearest that contains it. */
  place(path: Path, atKey: boolean): Place;
}

export const recipeLimits: { readonly sizeBytes: number; readonly depth: number; readonly values: number } = {
  sizeBytes: 256 * 1024,
  depth: 32,
  values: 50_000,
};

interface Range {
  readonly start: number;
  readonly end: number;
}

interface Places {
  readonly values: Map<string, Range>;
  readonly keys: Map<string, Range>;
}

/** Errors: RECIPE_INVALID with every syntax error, or the limit that is passed. */
export function parseYaml(file: string, text: string): RecipeText {
  const lines = new LineCounter();
  const places: Places = { values: new Map(), keys: new Map() };
  const placeAt = ({ start, end }: Range): Place => {
    const { line, col } = lines.linePos(start);
    return { line: Math.max(1, line), column: Math.max(1, col), length: Math.max(1, end - start) };
  };
  const source = (value: unknown): RecipeText => ({
    file,
    text,
    value,
    place: (path, atKey) => placeAt(rangeOf(places, path, atKey)),
  });
  if (Buffer.byteLength(text) > recipeLimits.sizeBytes) {
    throw recipeError(source(undefined), [
      { path: [], message: `a recipe may have ${recipeLimits.sizeBytes} bytes, this has ${Buffer.byteLength(text)}` },
    ]);
  }
  try {
    return source(convertDocument(text, lines, places));
  } catch (error) {
    if (error instanceof Located) {
      places.values.set("[]", error.range);
      throw recipeError(source(undefined), [{ path: [], message: error.message }]);
    }
    if (error instanceof Syntax) {
      for (const [index, range] of error.ranges.entries()) places.values.set(JSON.stringify([index]), range);
      throw recipeError(source(undefined), error.problems);
    }
    // The parser is recursive: what is nested thousands deep overflows its stack.
    if (error instanceof RangeError) throw recipeError(source(undefined), [{ path: [], message: tooDeep }]);
    throw error;
  }
}

const tooDeep = `nested deeper than ${recipeLimits.depth}`;

/** One problem, at a place that has no path yet. */
class Located extends Error {
  readonly range: Range;
  constructor(message: string, range: Range) {
    super(message);
    this.range = range;
  }
}

class Syntax extends Error {
  readonly problems: readonly Problem[];
  readonly ranges: readonly Range[];
  constructor(errors: readonly { readonly message: string; readonly pos: readonly [number, number] }[]) {
    super("not YAML");
    this.problems = errors.map(({ message }, index) => ({ path: [index], message }));
    this.ranges = errors.map(({ pos: [start, end] }) => ({ start, end }));
  }
}

function convertDocument(text: string, lineCounter: LineCounter, places: Places): unknown {
  const document = parseDocument(text, {
    lineCounter,
    prettyErrors: false,
    version: "1.2",
    schema: "core",
    uniqueKeys: (a, b) => isScalar(a) && isScalar(b) && writtenKey(a) === writtenKey(b),
  });
  if (document.errors.length > 0) throw new Syntax(document.errors);
  if (document.warnings.length > 0) throw new Syntax(document.warnings);
  let count = 0;
  const convert = (node: Node | null, path: Path, depth: number): unknown => {
    if (node === null) return null;
    const range = rangeOfNode(node);
    const known = JSON.stringify(path);
    if (!places.values.has(known)) places.values.set(known, range);
    count += 1;
    if (count > recipeLimits.values) throw new Located(`more than ${recipeLimits.values} values`, range);
    if (depth > recipeLimits.depth) throw new Located(tooDeep, range);
    if (isAlias(node)) {
      const target = node.resolve(document);
      if (target === undefined) throw new Located(`nothing is called *${node.source} above`, range);
      return convert(target, path, depth + 1);
    }
    if (isSeq(node)) return node.items.map((item, index) => convert(item as Node | null, [...path, index], depth + 1));
    if (!isMap(node)) return (node as Scalar).value;
    const object: Record<string, unknown> = {};
    for (const { key, value } of node.items) {
      const name = keyText(key, range);
      const inner = [...path, name];
      places.keys.set(JSON.stringify(inner), rangeOfNode(key as Node));
      if (value === null) places.values.set(JSON.stringify(inner), rangeOfNode(key as Node));
      object[name] = convert(value as Node | null, inner, depth + 1);
    }
    return object;
  };
  return convert(document.contents, [], 0);
}

/** As written, so that `1.30` stays what it is. */
function keyText(key: unknown, parent: Range): string {
  if (!isScalar(key)) throw new Located("a key must be text", parent);
  const text = writtenKey(key);
  if (text === "__proto__") throw new Located("this key is not allowed", rangeOfNode(key));
  return text;
}

const writtenKey = (key: Scalar): string =>
  typeof key.value === "string" ? key.value : (key.source ?? String(key.value));

function rangeOfNode(node: Node): Range {
  const [start, end] = node.range ?? [0, 0];
  return { start, end };
}

function rangeOf(places: Places, path: Path, atKey: boolean): Range {
  for (let length = path.length; length >= 0; length -= 1) {
    const known = JSON.stringify(path.slice(0, length));
    const exact = length === path.length;
    const range =
      (exact && atKey) || !exact ? (places.keys.get(known) ?? places.values.get(known)) : places.values.get(known);
    if (range !== undefined) return range;
  }
  return { start: 0, end: 1 };
}
