/** Runs one command to its end and says what it took: wall-clock time, and processor time with all that it started. */
import { spawn } from "node:child_process";
import { costOf } from "../world/processes.ts";

export interface Took {
  readonly wallMs: number;
  /** User and system time; tells more than the wall on a machine that others use. */
  readonly cpuMs: number;
}

export interface Ran extends Took {
  readonly stdout: string;
}

/** Throws with the end of stderr when the command fails. One at a time: the processor time is that of all ended children of this process. */
export async function timed(command: readonly string[], options: { readonly cwd?: string } = {}): Promise<Ran> {
  const [program = "", ...args] = command;
  const before = endedChildrenMs();
  const startedMs = performance.now();
  const child = spawn(program, args, { ...options, stdio: ["ignore", "pipe", "pipe"] });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  child.stderr.on("data", (chunk: Buffer) => {
    stderr = (stderr + chunk.toString()).slice(-4096);
  });
  const { promise, resolve, reject } = Promise.withResolvers<number | null>();
  child.on("error", reject);
  child.on("close", resolve);
  const code = await promise;
  if (code !== 0) throw new Error(`${program} ended with ${code}: ${stderr.trim()}`);
  return { wallMs: performance.now() - startedMs, cpuMs: endedChildrenMs() - before, stdout };
}

export const sum = (...all: readonly Took[]): Took => ({
  wallMs: all.reduce((total, { wallMs }) => total + wallMs, 0),
  cpuMs: all.reduce((total, { cpuMs }) => total + cpuMs, 0),
});

/** The processor time of this process with its ended children, without its own. */
function endedChildrenMs(): number {
  const { user, system } = process.cpuUsage();
  return costOf(process.pid).cpuSeconds * 1000 - (user + system) / 1000;
}
