/** The configuration file: YAML, one flat mapping of keys. Errors say line and column; unknown keys are errors with a suggestion. */
import { isMap, isScalar, LineCounter, parseDocument } from "yaml";
import type { KeyName } from "./key-values.ts";
import { isKeyName, keyNames } from "./keys.ts";
import { nearest } from "./suggestion.ts";

export interface FileValue {
  readonly value: unknown;
  /** `path:line`. */
  readonly where: string;
}

export interface ConfigFile {
  readonly values: ReadonlyMap<KeyName, FileValue>;
  readonly problems: readonly string[];
}

/** A configuration is small; anything larger is a mistake. */
const sizeMax = 1_048_576;

export function readConfigFile(path: string, text: string): ConfigFile {
  if (text.length > sizeMax) return { values: new Map(), problems: [`${path}: is larger than ${sizeMax} characters`] };
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true });
  const at = (offset: number | undefined): string => {
    if (offset === undefined) return path;
    const { line, col } = lines.linePos(offset);
    return `${path}:${line}:${col}`;
  };
  const syntax = document.errors.map((error) => `${at(error.pos[0])}: ${error.message}`);
  if (syntax.length > 0) return { values: new Map(), problems: syntax };
  if (document.contents === null) return { values: new Map(), problems: [] };
  if (!isMap(document.contents))
    return { values: new Map(), problems: [`${path}: must be a mapping of keys to values`] };

  const values = new Map<KeyName, FileValue>();
  const problems: string[] = [];
  for (const pair of document.contents.items) {
    const offset = isScalar(pair.key) ? pair.key.range?.[0] : undefined;
    const name = isScalar(pair.key) ? String(pair.key.value) : "";
    if (isKeyName(name)) values.set(name, { value: document.toJS({ maxAliasCount: 10 })?.[name], where: at(offset) });
    else problems.push(`${at(offset)}: ${unknownKey(name)}`);
  }
  return { values, problems };
}

export function unknownKey(name: string): string {
  const meant = nearest(name, keyNames());
  return `unknown key '${name}'${meant === undefined ? "" : `; did you mean '${meant}'?`}`;
}
