/** Commands as a user gives them: child processes that are ended at their deadline and on cancellation, with everything they said. */
import { spawn } from "node:child_process";
import { join } from "node:path";

const root = join(import.meta.dirname, "../../..");
/** More of what a command prints is dropped, oldest first. */
const keptCharacters = 32 * 1_048_576;

export interface CommandOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
  readonly input?: string;
  /** Over the caller's own. */
  readonly env?: Readonly<Record<string, string>>;
  /** Each line of either stream, as it comes. */
  readonly onLine?: (line: string) => void;
}

export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export class CommandFailed extends Error {
  constructor(words: readonly string[], { code, stdout, stderr }: Outcome) {
    super(`${words.join(" ")} ended with ${code}\n${stderr.slice(-4_000)}\n${stdout.slice(-2_000)}`.trimEnd());
  }
}

/** Of this checkout. */
export const lmProgram: string = join(root, "bin/lm");

/** Arguments of lm for a platform; what follows `--` is somebody else's. */
export function ofPlatform(platform: string, args: readonly string[]): readonly string[] {
  const end = args.indexOf("--");
  const own = end === -1 ? args : args.slice(0, end);
  return [...own, "--platform", platform, ...args.slice(own.length)];
}

/** Resolves whatever the exit code is; 124 at the deadline. Rejects when the program cannot be started, and with the signal's reason. */
export function outcomeOf(program: string, args: readonly string[], options: CommandOptions): Promise<Outcome> {
  const { timeoutMs, signal, input, env = {}, onLine } = options;
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd: root, env: { ...plainEnvironment(), ...env }, detached: true });
    let timedOut = false;
    // The whole group: bin/lm is a shell that becomes Node, ssh has a child.
    const end = (): void => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, "SIGTERM");
      } catch {
        // It has ended since.
      }
    };
    const deadline = setTimeout(() => {
      timedOut = true;
      end();
    }, timeoutMs);
    signal?.addEventListener("abort", end, { once: true });
    if (signal?.aborted === true) end();
    const texts = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"] as const) {
      let rest = "";
      child[name].on("data", (chunk: Buffer) => {
        texts[name] = (texts[name] + chunk.toString()).slice(-keptCharacters);
        if (onLine === undefined) return;
        const lines = (rest + chunk.toString()).split("\n");
        rest = lines.pop() ?? "";
        for (const line of lines) onLine(line);
      });
    }
    const settled = (): void => {
      clearTimeout(deadline);
      signal?.removeEventListener("abort", end);
    };
    child.once("error", (error) => {
      settled();
      reject(error);
    });
    child.once("close", (code) => {
      settled();
      if (signal?.aborted === true) reject(signal.reason);
      else
        resolve(
          timedOut
            ? { code: 124, ...texts, stderr: `${texts.stderr}\n(ended after ${timeoutMs} ms)` }
            : { code, ...texts },
        );
    });
    child.stdin.on("error", () => undefined);
    child.stdin.end(input);
  });
}

/** What it printed; rejects with `CommandFailed` unless it succeeded. */
export async function outputOf(program: string, args: readonly string[], options: CommandOptions): Promise<string> {
  const outcome = await outcomeOf(program, args, options);
  if (outcome.code !== 0) throw new CommandFailed([program.replace(/^.*\//, ""), ...args], outcome);
  return outcome.stdout;
}

/** Without what the test runner or the caller's shell says to Node, lm and kubectl. */
function plainEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !/^(LM_|NODE_TEST|NODE_OPTIONS$|KUBECONFIG$)/.test(name));
  return Object.fromEntries(kept);
}
