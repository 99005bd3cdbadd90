/**
 * Contexts: named hosts in `$XDG_CONFIG_HOME/liquidmetal/config.yaml` (default `~/.config/…`). `LM_CONFIG` names another file.
 *
 * The file is written whole and renamed into place, mode 0600. Unknown keys are errors with a suggestion, so that a slip is not silently ignored.
 */
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { PlatformError } from "@liquidmetal/foundation";
import { suggestion } from "../program/suggestion.ts";

export interface HostContext {
  readonly name: string;
  readonly host: string;
  readonly namespace?: string;
  readonly tokenFile?: string;
  readonly tlsCa?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly insecure?: boolean;
}

export interface ContextFile {
  readonly current?: string;
  readonly contexts: readonly HostContext[];
}

type Environment = Readonly<Record<string, string | undefined>>;

const textKeys = ["host", "namespace", "tokenFile", "tlsCa", "tlsCert", "tlsKey"] as const;
const contextKeys: readonly string[] = [...textKeys, "insecure"];

export function contextFilePath(env: Environment): string {
  const named = env["LM_CONFIG"];
  if (named !== undefined && named !== "") return named;
  const base = env["XDG_CONFIG_HOME"];
  const home = env["HOME"] ?? homedir();
  return join(base?.startsWith("/") ? base : join(home, ".config"), "liquidmetal", "config.yaml");
}

/** The contexts; none when there is no file. Throws CONFIG_INVALID. */
export async function readContexts(env: Environment): Promise<ContextFile> {
  const path = contextFilePath(env);
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if (isMissing(error)) return { contexts: [] };
    throw invalid(path, error instanceof Error ? error.message : String(error));
  }
  const { parse } = await import("yaml");
  let content: unknown;
  try {
    content = parse(text, { maxAliasCount: 10 });
  } catch (error) {
    throw invalid(path, error instanceof Error ? error.message : String(error));
  }
  return content === null ? { contexts: [] } : checked(content, path);
}

export async function writeContexts(env: Environment, file: ContextFile): Promise<void> {
  const path = contextFilePath(env);
  const { stringify } = await import("yaml");
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const contexts = Object.fromEntries(file.contexts.map(({ name, ...rest }) => [name, rest]));
  const draft = `${path}.${process.pid}.new`;
  await writeFile(draft, stringify({ ...(file.current === undefined ? {} : { current: file.current }), contexts }), {
    mode: 0o600,
  });
  await rename(draft, path);
}

/** The context by name, else the current one, if any. Throws CONFIG_INVALID when a named one does not exist. */
export async function currentContext(env: Environment, name: string | undefined): Promise<HostContext | undefined> {
  const file = await readContexts(env);
  const wanted = name ?? env["LM_CONTEXT"] ?? file.current;
  if (wanted === undefined) return undefined;
  const found = file.contexts.find((context) => context.name === wanted);
  if (found !== undefined) return found;
  const near = suggestion(
    wanted,
    file.contexts.map((context) => context.name),
  );
  throw new PlatformError("CONFIG_INVALID", `there is no context '${wanted}'`, {
    remedy: near === undefined ? "see 'lm context list'" : `did you mean '${near}'? See 'lm context list'`,
  });
}

function checked(content: unknown, path: string): ContextFile {
  if (!isObject(content)) throw invalid(path, "it must be a mapping with 'contexts'");
  for (const key of Object.keys(content)) requireKnown(key, ["current", "contexts"], path, "");
  const { current, contexts = {} } = content;
  if (current !== undefined && typeof current !== "string")
    throw invalid(path, "'current' must be the name of a context");
  if (!isObject(contexts)) throw invalid(path, "'contexts' must map names to hosts");
  return {
    ...(current === undefined ? {} : { current }),
    contexts: Object.entries(contexts).map(([name, value]) => checkedContext(name, value, path)),
  };
}

function checkedContext(name: string, value: unknown, path: string): HostContext {
  if (!isObject(value)) throw invalid(path, `context '${name}' must be a mapping`);
  for (const key of Object.keys(value)) requireKnown(key, contextKeys, path, `contexts.${name}.`);
  const texts: Partial<Record<(typeof textKeys)[number], string>> = {};
  for (const key of textKeys) {
    const text = value[key];
    if (text === undefined) continue;
    if (typeof text !== "string" || text === "") throw invalid(path, `contexts.${name}.${key} must be text`);
    texts[key] = text;
  }
  const { insecure } = value;
  if (insecure !== undefined && typeof insecure !== "boolean")
    throw invalid(path, `contexts.${name}.insecure must be true or false`);
  const { host, ...rest } = texts;
  if (host === undefined) throw invalid(path, `contexts.${name}.host is missing`);
  return { name, host, ...rest, ...(insecure === undefined ? {} : { insecure }) };
}

function requireKnown(key: string, known: readonly string[], path: string, prefix: string): void {
  if (known.includes(key)) return;
  const near = suggestion(key, known);
  throw invalid(path, `unknown key '${prefix}${key}'${near === undefined ? "" : `; did you mean '${near}'?`}`);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}

function invalid(path: string, why: string): PlatformError {
  return new PlatformError("CONFIG_INVALID", `${path}: ${why}`, { remedy: "correct the file, or remove it" });
}
