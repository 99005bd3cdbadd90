/** From what zod found to words for people: what is wrong, what would be right, which key was probably meant. */
import { z } from "zod";
import type { Problem } from "./problem.ts";
import type { Path } from "./recipe-text.ts";
import { nearest, suggestion } from "./suggestion.ts";

/** Checks `value`, which stands at `path` of the recipe. Problems carry paths of the whole recipe. */
export function checkFields<T>(
  schema: z.ZodType<T>,
  value: unknown,
  path: Path,
): { readonly value: T } | { readonly problems: readonly Problem[] } {
  const result = schema.safeParse(value);
  if (result.success) return { value: result.data };
  const found = result.error.issues.flatMap((issue) => problemsOf(issue, schema, value));
  const meant = new Set(found.map((problem) => problem.meant));
  // A key that is there under a misspelled name is not missing as well.
  const told = found.filter(({ missing }) => missing === undefined || !meant.has(missing));
  return {
    problems: told.map(({ message, atKey, path: inner }) => ({
      message,
      ...(atKey && { atKey }),
      path: [...path, ...inner],
    })),
  };
}

interface FieldProblem extends Problem {
  /** The key that an unknown one most likely stands for, and one that is missing: both as JSON of their paths. */
  readonly meant?: string | undefined;
  readonly missing?: string;
}

type Issue = z.core.$ZodIssue;

function problemsOf(issue: Issue, schema: z.ZodType, value: unknown): readonly FieldProblem[] {
  const path = issue.path.filter((part) => typeof part !== "symbol");
  const input = valueAt(value, path);
  switch (issue.code) {
    case "unrecognized_keys": {
      const known = knownKeys(schema, path);
      return issue.keys.map((key) => {
        const near = nearest(key, known);
        const message = `unknown key ${JSON.stringify(key)}${suggestion(key, known)}`;
        return { path: [...path, key], atKey: true, message, meant: near && JSON.stringify([...path, near]) };
      });
    }
    case "invalid_type":
      if (input === undefined) return [missing(path)];
      return [{ path, message: `must be ${kindNames[issue.expected] ?? issue.expected}, ${butIs(input)}` }];
    case "invalid_value": {
      if (input === undefined) return [missing(path)];
      const allowed = issue.values.map(String);
      const hint = typeof input === "string" ? suggestion(input, []) : "";
      return [
        { path, message: `must be ${allowed.map((one) => JSON.stringify(one)).join(" or ")}, ${butIs(input)}${hint}` },
      ];
    }
    case "invalid_union":
      return unionProblems(issue, path, schema, value);
    case "invalid_key":
      return issue.issues.map((inner) => ({ path, atKey: true, message: inner.message }));
    case "too_big":
    case "too_small":
      if (input === undefined) return [missing(path)];
      return [{ path, message: sizeMessage(issue) }];
    default:
      return [{ path, message: issue.message }];
  }
}

function missing(path: Path): FieldProblem {
  const message = `${JSON.stringify(String(path.at(-1)))} is missing`;
  return { path: path.slice(0, -1), atKey: true, message, missing: JSON.stringify(path) };
}

/** Of the branches, what the one says that understood most of the value. */
function unionProblems(
  issue: Issue & { readonly code: "invalid_union" },
  path: Path,
  schema: z.ZodType,
  value: unknown,
): readonly FieldProblem[] {
  if (valueAt(value, path) === undefined) return [missing(path)];
  const depth = (branch: readonly Issue[]): number => Math.max(...branch.map((inner) => inner.path.length));
  const wrongKind = (branch: readonly Issue[]): boolean =>
    branch.some((inner) => inner.path.length === 0 && inner.code === "invalid_type");
  const candidates = issue.errors.filter((branch) => branch.length > 0 && !wrongKind(branch));
  const [best] = candidates.sort((a, b) => a.length - b.length || depth(b) - depth(a));
  if (best !== undefined) {
    return best.flatMap((inner) => problemsOf({ ...inner, path: [...path, ...inner.path] } as Issue, schema, value));
  }
  const expected = issue.errors.flatMap((branch) =>
    branch.flatMap((inner) => (inner.code === "invalid_type" ? [kindNames[inner.expected] ?? inner.expected] : [])),
  );
  const choice = [...new Set(expected)].join(" or ") || "something else";
  return [{ path, message: `must be ${choice}, ${butIs(valueAt(value, path))}` }];
}

const kindNames: Readonly<Record<string, string>> = {
  string: "text",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  array: "a list",
  object: "a mapping",
  record: "a mapping",
};

function butIs(value: unknown): string {
  switch (typeof value) {
    case "string":
      return `but is the text ${JSON.stringify(value.slice(0, 80))}`;
    case "number":
    case "boolean":
      // Not the value itself: of what was written as 1.30, only 1.3 is left.
      return `but is ${typeof value === "number" ? "a number" : value}: text like that is written in quotes`;
    default:
      if (value === null) return "but is empty";
      return Array.isArray(value) ? "but is a list" : "but is a mapping";
  }
}

function sizeMessage(issue: Issue & { readonly code: "too_big" | "too_small" }): string {
  if (!issue.message.startsWith("Too ")) return issue.message;
  const bound = issue.code === "too_big" ? `at most ${issue.maximum}` : `at least ${issue.minimum}`;
  const unit = issue.origin === "string" ? " characters" : issue.origin === "number" ? "" : " entries";
  return unit === "" ? `must be ${bound}` : `must have ${bound}${unit}`;
}

function valueAt(value: unknown, path: Path): unknown {
  let current = value;
  for (const part of path) {
    if (typeof current !== "object" || current === null) return undefined;
    current = (current as Record<string | number, unknown>)[part];
  }
  return current;
}

/** The keys that a schema allows at a path, read from its JSON schema: every choice of a union counts. */
function knownKeys(schema: z.ZodType, path: Path): readonly string[] {
  const root = z.toJSONSchema(schema, { io: "input", unrepresentable: "any", reused: "inline" });
  let nodes: JsonSchema[] = branches(root as JsonSchema);
  for (const part of path) nodes = nodes.flatMap((node) => inside(node, part)).flatMap(branches);
  return [...new Set(nodes.flatMap((node) => Object.keys(node.properties ?? {})))];
}

interface JsonSchema {
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly additionalProperties?: JsonSchema | boolean;
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly allOf?: readonly JsonSchema[];
}

const branches = (node: JsonSchema): JsonSchema[] => [
  node,
  ...[node.anyOf, node.oneOf, node.allOf].flatMap((list) => list ?? []).flatMap(branches),
];

function inside(node: JsonSchema, part: string | number): JsonSchema[] {
  if (typeof part === "number") return node.items === undefined ? [] : [node.items];
  const property = node.properties?.[part];
  if (property !== undefined) return [property];
  return typeof node.additionalProperties === "object" ? [node.additionalProperties] : [];
}
