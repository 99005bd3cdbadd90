/** Checks what comes from the agent, field by field: nothing unchecked reaches a program, a path or a signal. */
import type { CgroupRequest, ProcessIdentity, RunRequest, SpawnRequest } from "@liquidmetal/microvm";
import type { SignalName } from "../protocol.ts";
import { Refusal } from "./refusal.ts";

type Fields = Readonly<Record<string, unknown>>;

const argumentsMax = 1_024;
const textBytesMax = 128 * 1024;
const signalNames: readonly string[] = ["SIGTERM", "SIGKILL", "SIGINT", "SIGHUP", "SIGSTOP", "SIGCONT"];

/** Tokens stand in command lines, where they must be found again unchanged: letters, digits, `_`, `.`, `-`; 4 to 128 of them. */
export const tokenPattern: RegExp = /^[A-Za-z0-9][A-Za-z0-9_.-]{3,127}$/;
const namespacePattern = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$/;
const cgroupPattern = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}(\/[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}){0,3}$/;

export function fields(value: unknown, what: string): Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw refused(what, "an object");
  return value as Fields;
}

export function checkSpawn(value: unknown): SpawnRequest {
  const ask = fields(value, "spawn");
  return {
    program: text(ask["program"], "program"),
    args: texts(ask["args"], "args"),
    token: matching(ask["token"], tokenPattern, "token"),
    ...optional("cwd", ask["cwd"], absolutePath),
    ...optional("env", ask["env"], environment),
    ...optional("stdoutPath", ask["stdoutPath"], absolutePath),
    ...optional("stderrPath", ask["stderrPath"], absolutePath),
    ...optional("identity", ask["identity"], user),
    ...optional("networkNamespace", ask["networkNamespace"], networkNamespace),
    ...optional("cgroup", ask["cgroup"], cgroup),
    ...optional("privateTun", ask["privateTun"], flag),
    ...optional("privateKvm", ask["privateKvm"], flag),
    ...optional("openFiles", ask["openFiles"], (files) =>
      texts(files, "openFiles").map((file) => absolutePath(file, "openFiles")),
    ),
  };
}

export function checkRun(value: unknown): Omit<RunRequest, "signal"> {
  const ask = fields(value, "run");
  return {
    program: text(ask["program"], "program"),
    args: texts(ask["args"], "args"),
    ...optional("stdin", ask["stdin"], anyText),
    ...optional("env", ask["env"], environment),
    ...optional("networkNamespace", ask["networkNamespace"], networkNamespace),
    ...optional("privateMounts", ask["privateMounts"], flag),
    ...optional("timeoutMs", ask["timeoutMs"], (timeout) => integer(timeout, "timeoutMs", 1, 86_400_000)),
  };
}

export function checkIdentity(value: unknown): ProcessIdentity {
  const ask = fields(value, "identity");
  return {
    pid: integer(ask["pid"], "pid", 2, 0x7fffffff),
    startTime: matching(ask["startTime"], /^\d{1,20}$/, "startTime"),
    bootId: text(ask["bootId"], "bootId"),
    token: matching(ask["token"], tokenPattern, "token"),
  };
}

export function checkSignal(value: unknown): SignalName {
  if (typeof value !== "string" || !signalNames.includes(value))
    throw refused("signal", `one of ${signalNames.join(", ")}`);
  return value as SignalName;
}

export function checkPrefix(value: unknown): string {
  return matching(value, /^[A-Za-z0-9][A-Za-z0-9_.-]{1,127}$/, "prefix");
}

export function checkCgroupName(value: unknown): string {
  return matching(value, cgroupPattern, "cgroup name");
}

export function integer(value: unknown, what: string, min: number, max: number): number {
  if (typeof value !== "number" || !Number.isInteger(value) || value < min || value > max) {
    throw refused(what, `a whole number from ${min} to ${max}`);
  }
  return value;
}

function cgroup(value: unknown): CgroupRequest {
  const ask = fields(value, "cgroup");
  return {
    name: checkCgroupName(ask["name"]),
    ...optional("memoryMaxBytes", ask["memoryMaxBytes"], (bytes) =>
      integer(bytes, "memoryMaxBytes", 1, Number.MAX_SAFE_INTEGER),
    ),
    ...optional("cpuMaxPercent", ask["cpuMaxPercent"], (percent) => integer(percent, "cpuMaxPercent", 1, 1_000_000)),
    ...optional("cpuWeight", ask["cpuWeight"], (weight) => integer(weight, "cpuWeight", 1, 1024)),
    ...optional("pidsMax", ask["pidsMax"], (pids) => integer(pids, "pidsMax", 1, 4_194_304)),
  };
}

function user(value: unknown): { readonly uid: number; readonly gid: number } {
  const ask = fields(value, "identity");
  const idMax = 0xfffffffe;
  return { uid: integer(ask["uid"], "uid", 0, idMax), gid: integer(ask["gid"], "gid", 0, idMax) };
}

function environment(value: unknown): Readonly<Record<string, string>> {
  const entries = Object.entries(fields(value, "env")).map(([key, entry]) => {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(key)) throw refused("env", "a map of environment variables");
    return [key, anyText(entry, `env.${key}`)] as const;
  });
  return Object.fromEntries(entries);
}

function networkNamespace(value: unknown): string {
  return matching(value, namespacePattern, "networkNamespace");
}

function absolutePath(value: unknown, what = "path"): string {
  const path = text(value, what);
  if (!path.startsWith("/")) throw refused(what, "an absolute path");
  return path;
}

function texts(value: unknown, what: string): string[] {
  if (!Array.isArray(value) || value.length > argumentsMax)
    throw refused(what, `a list of at most ${argumentsMax} texts`);
  return value.map((entry) => anyArgument(entry, what));
}

function anyArgument(value: unknown, what: string): string {
  const argument = anyText(value, what);
  if (argument.length > textBytesMax || argument.includes("\0"))
    throw refused(what, `without NUL, at most ${textBytesMax} bytes each`);
  return argument;
}

function text(value: unknown, what: string): string {
  const argument = anyArgument(value, what);
  if (argument === "") throw refused(what, "a text that is not empty");
  return argument;
}

function anyText(value: unknown, what = "stdin"): string {
  if (typeof value !== "string") throw refused(what, "a text");
  return value;
}

function flag(value: unknown): boolean {
  if (typeof value !== "boolean") throw refused("flag", "true or false");
  return value;
}

function matching(value: unknown, pattern: RegExp, what: string): string {
  if (typeof value !== "string" || !pattern.test(value)) throw refused(what, `a text that matches ${pattern.source}`);
  return value;
}

function optional<K extends string, T>(
  key: K,
  value: unknown,
  check: (value: unknown, what?: string) => T,
): Partial<Record<K, T>> {
  return value === undefined ? {} : ({ [key]: check(value, key) } as Partial<Record<K, T>>);
}

function refused(what: string, wanted: string): Refusal {
  return new Refusal("REQUEST_INVALID", `${what} must be ${wanted}`);
}
