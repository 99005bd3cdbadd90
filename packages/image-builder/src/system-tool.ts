/**
 * System tools, run with bounded output, a deadline and the caller's signal; never through a shell.
 *
 * Each is the leader of a process group of its own: at the deadline or the caller's signal the whole group is killed, compilers and helpers that
 * the tool started too, and the call only ends when the tool has.
 *
 * Errors: TOOL_MISSING names the Debian package that has the tool, IMAGE_BUILD_FAILED carries the end of what it wrote to stderr.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import type { Writable } from "node:stream";
import { PlatformError } from "@liquidmetal/foundation";

/** The Debian (and Ubuntu) package of every tool that this room runs. */
export const toolPackages: Readonly<Record<string, string>> = {
  "apt-get": "apt",
  bwrap: "bubblewrap",
  depmod: "kmod",
  "dpkg-deb": "dpkg",
  newgidmap: "uidmap",
  newuidmap: "uidmap",
  nsenter: "util-linux",
  unshare: "util-linux",
  lz4: "lz4",
  xz: "xz-utils",
  setpriv: "util-linux",
};

export interface ToolOptions {
  readonly cwd?: string;
  /** Added to this process's environment. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Default 300,000. The tool is killed at the deadline. */
  readonly timeoutMs?: number;
  /** Most bytes of stdout that are kept; more is a failure. Default 16 MiB. */
  readonly maxOutputBytes?: number;
  /** Written to the tool's stdin, which is closed after it. */
  readonly input?: Uint8Array;
  /** Writes the tool's stdin, in place of `input`, and ends it. When it fails, the tool is killed and the call fails with its error. */
  readonly writeInput?: (stdin: Writable) => Promise<void>;
  /** A new file that takes all of stdout: nothing of it is kept in memory. */
  readonly outputFile?: string;
  /** Called with each whole line of stdout as it comes. */
  readonly onLine?: (line: string) => void;
  /** The same of stderr. */
  readonly onErrorLine?: (line: string) => void;
  readonly signal?: AbortSignal;
}

export interface ToolResult {
  readonly exitCode: number;
  readonly stdout: Buffer;
  /** The last 4 KiB. */
  readonly stderr: string;
}

const defaultTimeoutMs = 300_000;
const defaultMaxOutputBytes = 16 * 1024 * 1024;
const keptErrorBytes = 4096;

/** Runs a tool that has to succeed, and returns its stdout. */
export async function runTool(tool: string, args: readonly string[], options: ToolOptions = {}): Promise<Buffer> {
  const result = await tryTool(tool, args, options);
  if (result.exitCode === 0) return result.stdout;
  const said = result.stderr.trim().split("\n").slice(-4).join("; ");
  throw new PlatformError("IMAGE_BUILD_FAILED", `${tool} ${args[0] ?? ""} ended with ${result.exitCode}: ${said}`);
}

/** Runs a tool whose exit code the caller judges. A tool killed by a signal, or one that writes too much, is a failure. */
export async function tryTool(tool: string, args: readonly string[], options: ToolOptions = {}): Promise<ToolResult> {
  const { signal, timeoutMs = defaultTimeoutMs, maxOutputBytes = defaultMaxOutputBytes } = options;
  signal?.throwIfAborted();
  const ended =
    signal === undefined ? AbortSignal.timeout(timeoutMs) : AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
  const { promise, resolve, reject } = Promise.withResolvers<ToolResult>();
  const sink = options.outputFile === undefined ? "pipe" : openSync(options.outputFile, "wx", 0o600);
  const child = spawn(tool, args, {
    cwd: options.cwd,
    // One language for what is parsed; no questions asked.
    env: { ...process.env, LC_ALL: "C", DEBIAN_FRONTEND: "noninteractive", ...options.environment },
    stdio: ["pipe", sink, "pipe"],
    detached: true,
  });
  if (typeof sink === "number") closeSync(sink);
  const kill = (): void => killGroup(child);
  ended.addEventListener("abort", kill, { once: true });
  const chunks: Buffer[] = [];
  let size = 0;
  let stderr = "";
  const lines = lineSplitter(options.onLine);
  const errorLines = lineSplitter(options.onErrorLine);
  child.stdout?.on("data", (chunk: Buffer) => {
    size += chunk.length;
    if (size > maxOutputBytes) kill();
    else chunks.push(chunk);
    lines(chunk);
  });
  child.stderr?.on("data", (chunk: Buffer) => {
    stderr = (stderr + chunk.toString()).slice(-keptErrorBytes);
    errorLines(chunk);
  });
  // A tool that ends before it has read everything makes the pipe fail: its exit code tells more.
  child.stdin?.on("error", () => {});
  let inputFailure: unknown;
  if (options.writeInput === undefined || child.stdin === null) child.stdin?.end(options.input ?? "");
  else {
    options.writeInput(child.stdin).catch((error: unknown) => {
      if (isClosedPipe(error)) return;
      inputFailure = error;
      kill();
    });
  }
  child.on("error", (error) => reject(failure(tool, error)));
  child.on("close", (exitCode, killedBy) => {
    ended.removeEventListener("abort", kill);
    if (signal?.aborted === true) reject(PlatformError.from(signal.reason, "CANCELLED", `${tool} was cancelled`));
    else if (ended.aborted) reject(failed(tool, `it did not end within ${timeoutMs} ms`));
    else if (inputFailure !== undefined) reject(inputFailure);
    else if (size > maxOutputBytes) reject(failed(tool, `it wrote more than ${maxOutputBytes} bytes`));
    else if (exitCode === null) reject(failed(tool, `it was killed by ${killedBy}`));
    else resolve({ exitCode, stdout: Buffer.concat(chunks), stderr });
  });
  return promise;
}

const isClosedPipe = (error: unknown): boolean =>
  error instanceof Error &&
  "code" in error &&
  ["EPIPE", "ECONNRESET", "ERR_STREAM_PREMATURE_CLOSE"].includes(String(error.code));

const failed = (tool: string, why: string): PlatformError =>
  new PlatformError("IMAGE_BUILD_FAILED", `${tool} failed: ${why}`);

function failure(tool: string, error: Error): Error {
  if ("code" in error && error.code === "ENOENT") return missingTool(tool);
  return PlatformError.from(error, "IMAGE_BUILD_FAILED", tool);
}

/** Also when the leader has ended and its children hold the pipes. A group that was never started, or is gone, is no failure. */
function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    child.kill("SIGKILL");
  }
}

function missingTool(tool: string): PlatformError {
  const name = toolPackages[tool] ?? tool;
  return new PlatformError("TOOL_MISSING", `the program ${tool} is not installed`, {
    remedy: `apt-get install ${name}`,
    details: { tool, package: name },
  });
}

function lineSplitter(onLine: ((line: string) => void) | undefined): (chunk: Buffer) => void {
  let rest = "";
  return (chunk) => {
    if (onLine === undefined) return;
    const parts = (rest + chunk.toString()).split("\n");
    rest = parts.pop() ?? "";
    for (const line of parts) onLine(line);
  };
}
