/**
 * Loads the configuration: flag before environment before file before default, everything checked, every problem told at once, and for each
 * value where it came from.
 *
 * Environment names are `FLINTLOCKD_` and the key in capitals, with hyphens as they are (upstream's form) or as underscores (a shell's form).
 */
import { err, ok, PlatformError, type Result } from "@liquidmetal/foundation";
import type { z } from "zod";
import type { AgentConfig } from "./agent-config.ts";
import { assemble, brokenRules } from "./assemble.ts";
import { type CommandLine, type FlagValues, parseCommandLine } from "./command-line.ts";
import { readConfigFile, unknownKey } from "./config-file.ts";
import type { KeyName, KeyValues } from "./key-values.ts";
import { configKeys, isKeyName, keyNames } from "./keys.ts";

export interface Origin {
  readonly source: "flag" | "environment" | "file" | "default";
  /** The flag, the variable, or file, line and column; empty for a default. */
  readonly where: string;
}

export interface LoadedConfig {
  readonly config: AgentConfig;
  readonly origins: Readonly<Record<KeyName, Origin>>;
  /** As given, by key, for `config show`; secrets included. */
  readonly given: Readonly<Record<KeyName, unknown>>;
  /** Things that are odd and not wrong, for the log. */
  readonly warnings: readonly string[];
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** Reads a file; undefined when it is not there. Throws when it cannot be read. */
export type FileReader = (path: string) => string | undefined;

const prefix = "FLINTLOCKD_";

/** For `run` and `config show`. `argv` as `parseCommandLine` takes it. */
export function loadConfig(
  argv: readonly string[],
  env: Environment,
  files: FileReader,
): Result<LoadedConfig, PlatformError> {
  const line = parseCommandLine(argv);
  if (!line.ok) return line;
  return loadFor(line.value, env, files);
}

export function loadFor(line: CommandLine, env: Environment, files: FileReader): Result<LoadedConfig, PlatformError> {
  const isLoading = line.command === "run" || line.command === "config-show";
  const flags: FlagValues = isLoading ? line.flags : new Map();
  const problems: string[] = [];
  const warnings: string[] = [];
  const given = new Map<KeyName, { value: unknown; origin: Origin }>();
  for (const name of keyNames()) {
    given.set(name, { value: configKeys[name].fallback, origin: { source: "default", where: "" } });
  }
  const file = findFile(isLoading ? line.configPath : undefined, env, files, problems);
  if (file !== undefined) {
    const { values, problems: found } = readConfigFile(file.path, file.text);
    problems.push(...found);
    for (const [name, { value, where }] of values) given.set(name, { value, origin: { source: "file", where } });
  }
  for (const [variable, value] of Object.entries(env)) {
    if (value === undefined || !variable.startsWith(prefix)) continue;
    const name = keyOfVariable(variable);
    if (name !== undefined) given.set(name, { value, origin: { source: "environment", where: variable } });
    else
      warnings.push(
        `${variable} is ignored: ${unknownKey(variable.slice(prefix.length).toLowerCase().replaceAll("_", "-"))}`,
      );
  }
  for (const [name, value] of flags) given.set(name, { value, origin: { source: "flag", where: `--${name}` } });
  return check(given, problems, warnings);
}

/** What one gets with no flags, no environment and no file. */
export function defaultAgentConfig(): AgentConfig {
  const loaded = loadConfig(["run"], {}, () => undefined);
  if (!loaded.ok) throw loaded.error;
  return loaded.value.config;
}

function check(
  given: ReadonlyMap<KeyName, { readonly value: unknown; readonly origin: Origin }>,
  problems: string[],
  warnings: readonly string[],
): Result<LoadedConfig, PlatformError> {
  const values: Partial<Record<KeyName, unknown>> = {};
  for (const [name, { value, origin }] of given) {
    const parsed: z.ZodSafeParseResult<unknown> = configKeys[name].schema.safeParse(value ?? configKeys[name].fallback);
    if (parsed.success) values[name] = parsed.data;
    else for (const issue of parsed.error.issues) problems.push(`${named(name, origin)}: ${issue.message}`);
  }
  if (problems.length === 0 && isComplete(values)) {
    for (const { key, text } of brokenRules(values)) {
      const origin = given.get(key)?.origin ?? { source: "default", where: "" };
      problems.push(`${named(key, origin)}: ${text}`);
    }
    if (problems.length === 0) {
      const config = deepFreeze(assemble(values));
      return ok({
        config,
        origins: byKey(given, ({ origin }) => origin),
        given: byKey(given, ({ value }) => value),
        warnings: [...warnings, ...withoutEffect(given)],
      });
    }
  }
  return err(
    new PlatformError("CONFIG_INVALID", `the configuration has ${problems.length} problems:\n${problems.join("\n")}`),
  );
}

/** One warning for each key that was set to something else than its default and does nothing. */
function withoutEffect(
  given: ReadonlyMap<KeyName, { readonly value: unknown; readonly origin: Origin }>,
): readonly string[] {
  return [...given]
    .filter(([name, { value }]) => configKeys[name].hasNoEffect && String(value) !== configKeys[name].fallback)
    .map(([name, { origin }]) => `${named(name, origin)} has no effect in this version`);
}

function named(name: KeyName, origin: Origin): string {
  return origin.source === "default" || origin.source === "flag" ? name : `${origin.where}: ${name}`;
}

/** Every key has been read by its own schema, so the whole has the keys' types. */
function isComplete(values: Partial<Record<KeyName, unknown>>): values is KeyValues {
  return keyNames().every((name) => values[name] !== undefined);
}

function byKey<V, T>(given: ReadonlyMap<KeyName, V>, pick: (entry: V) => T): Readonly<Record<KeyName, T>>;
function byKey<V>(given: ReadonlyMap<KeyName, V>, pick: (entry: V) => unknown): unknown {
  return Object.fromEntries([...given].map(([name, entry]) => [name, pick(entry)]));
}

/** An explicit path must exist; else the first of upstream's places that has a file. */
function findFile(
  explicit: string | undefined,
  env: Environment,
  files: FileReader,
  problems: string[],
): { readonly path: string; readonly text: string } | undefined {
  const personal = env["XDG_CONFIG_HOME"] || (env["HOME"] ? `${env["HOME"]}/.config` : undefined);
  const usual = ["/etc/opt/flintlockd", ...(personal === undefined ? [] : [`${personal}/flintlockd`])];
  for (const path of explicit === undefined ? usual.map((directory) => `${directory}/config.yaml`) : [explicit]) {
    try {
      const text = files(path);
      if (text !== undefined) return { path, text };
    } catch (error) {
      problems.push(`${path}: cannot be read: ${error instanceof Error ? error.message : String(error)}`);
      return undefined;
    }
  }
  if (explicit !== undefined) problems.push(`${explicit}: does not exist`);
  return undefined;
}

function keyOfVariable(variable: string): KeyName | undefined {
  const wanted = variable.slice(prefix.length).toLowerCase().replaceAll("_", "-");
  const name = keyNames().find((candidate) => candidate.toLowerCase() === wanted);
  return name !== undefined && isKeyName(name) ? name : undefined;
}

function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null) {
    for (const inner of Object.values(value)) deepFreeze(inner);
    Object.freeze(value);
  }
  return value;
}
