/**
 * Programs that the quickstart runs: `bin/lm`, as a user would type it.
 *
 * Each is a process group of its own, so that Ctrl-C reaches it once, by way of us: `lm` ends cleanly at the first and at once at the second.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import type { Readable } from "node:stream";

export const root: string = join(import.meta.dirname, "../..");

export interface CommandOptions {
  readonly signal: AbortSignal;
  /** Sees every line of its progress (standard error). */
  readonly onLine?: (line: string) => void;
  /** Sees every line of its output meanwhile. */
  readonly onOutput?: (line: string) => void;
  /** Its progress goes to our own standard error, as it is. */
  readonly shown?: boolean;
}

export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Not one line of it is for a terminal to keep; more of it is not needed for a message either. */
const keptCharacters = 1_000_000;

/** Runs it and collects its output. Rejects when it cannot be started, and with the signal's reason when that ended it. */
export function run(program: string, args: readonly string[], options: CommandOptions): Promise<CommandResult> {
  const { signal, onLine, onOutput, shown = false } = options;
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      stdio: ["ignore", "pipe", shown ? "inherit" : "pipe"],
      detached: true,
      env: plainEnvironment(process.env),
    });
    const stdout = keep(child.stdout, onOutput);
    const stderr = keep(child.stderr, onLine);
    const release = tied(child, signal);
    child.on("error", (error) => {
      release();
      reject(error);
    });
    child.on("close", (code) => {
      release();
      if (signal.aborted) reject(signal.reason);
      else resolve({ code: code ?? 1, stdout: stdout(), stderr: stderr() });
    });
  });
}

/** Tells each whole line; gives what was read so far. */
function keep(stream: Readable | null, onLine: (line: string) => void = () => {}): () => string {
  let text = "";
  let rest = "";
  stream?.setEncoding("utf8").on("data", (chunk: string) => {
    text = (text + chunk).slice(-keptCharacters);
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) onLine(line.trim());
  });
  return () => text;
}

/** Hands on the interruption, and every change of the terminal's size, until it is released. */
function tied(child: ChildProcess, signal: AbortSignal): () => void {
  const end = (): void => void child.kill("SIGINT");
  const resize = (): void => void child.kill("SIGWINCH");
  signal.addEventListener("abort", end, { once: true });
  process.on("SIGWINCH", resize);
  return () => {
    signal.removeEventListener("abort", end);
    process.off("SIGWINCH", resize);
  };
}

/** As `run`, and throws with what the command said when it fails. Gives its output. */
export async function must(program: string, args: readonly string[], options: CommandOptions): Promise<string> {
  const result = await run(program, args, options);
  if (result.code !== 0) throw new Error(failure(program, args, result));
  return result.stdout;
}

/** The command's own error and hint, without its progress. */
function failure(program: string, args: readonly string[], result: CommandResult): string {
  const start = result.stderr.search(/^error: /m);
  const said = result.stderr.slice(Math.max(0, start)).trim();
  return `${typed(program, args)}\nended with exit code ${result.code}: ${said.replace(/^error: /, "")}`.replace(
    /: $/,
    "",
  );
}

/** A command as one would type it in the checkout. */
export function typed(program: string, args: readonly string[]): string {
  const shown = program.startsWith(`${root}/`) ? program.slice(root.length + 1) : program;
  const words = args.map((each) => (each.startsWith(`${root}/`) ? each.slice(root.length + 1) : each));
  return [shown, ...words.map((word) => (/[^\w@%+=:,./-]/.test(word) ? `'${word}'` : word))].join(" ");
}

/** Without what the shell says of other platforms and clusters. */
export function plainEnvironment(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(environment).filter(([name]) => !name.startsWith("LM_") && name !== "KUBECONFIG"),
  );
}
