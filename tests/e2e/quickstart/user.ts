/** A user at a terminal: runs the commands of this checkout as child processes, and waits for what can be seen from outside. */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setInterval } from "node:timers/promises";

const root = join(import.meta.dirname, "../../..");
const pollIntervalMs = 100;

export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly durationMs: number;
}

/** `npm run quickstart -- ARGS`, by the script that package.json names (npm itself may be of any version). */
export function quickstart(...args: readonly string[]): Promise<Outcome> {
  const manifest: unknown = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const script = (manifest as { scripts: { quickstart: string } }).scripts.quickstart;
  return command("sh", ["-c", `${script} "$@"`, "quickstart", ...args], 170_000);
}

/** `bin/lm ARGS`. */
export function lm(...args: readonly string[]): Promise<Outcome> {
  return command(join(root, "bin/lm"), args, 60_000);
}

/** Resolves with the first value of `look` that is not undefined; rejects, saying what was waited for, after `timeoutMs`. */
export async function until<T>(what: string, look: () => Promise<T | undefined>, timeoutMs = 30_000): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for await (const _ of setInterval(pollIntervalMs)) {
    const value = await look();
    if (value !== undefined) return value;
    if (performance.now() > deadline) break;
  }
  throw new Error(`not seen within ${timeoutMs} ms: ${what}`);
}

function command(program: string, args: readonly string[], timeoutMs: number): Promise<Outcome> {
  const started = performance.now();
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd: root, env: plainEnvironment(), stdio: ["ignore", "pipe", "pipe"] });
    const deadline = AbortSignal.timeout(timeoutMs);
    deadline.addEventListener("abort", () => child.kill("SIGTERM"), { once: true });
    let stdout = "";
    let stderr = "";
    child.stdout.on("data", (chunk: Buffer) => {
      stdout += chunk.toString();
    });
    child.stderr.on("data", (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    child.on("error", reject);
    child.on("close", (code) => {
      if (deadline.aborted) stderr += `\n(ended after ${timeoutMs} ms)`;
      resolve({ code, stdout, stderr, durationMs: performance.now() - started });
    });
  });
}

/** Without what the test runner or the caller's shell says to Node and to lm. */
function plainEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !/^(LM_|NODE_TEST|NODE_OPTIONS$)/.test(name));
  return Object.fromEntries(kept);
}
