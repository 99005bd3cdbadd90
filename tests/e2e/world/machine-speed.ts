/**
 * How slow this machine is now, against the one that deadlines of tests with whole clusters are written for: two processors, no KVM, nothing else running.
 *
 * Measured once in a process, by a fixed piece of work that is done twice at the same time (a cluster keeps more than one processor busy): wall-clock time,
 * so that fewer processors, slower ones and other people's load all count. What is done afterwards may only show that it is slower still. Deadlines are caps
 * and not expectations: a fast machine only waits shorter for what never comes, so the factor is never below 1.
 */
import { spawn } from "node:child_process";

/** A hundred and twenty million steps of a generator: integer work that no cache and no disk speeds up. */
const work =
  "let x = 1; for (let i = 0; i < 120_000_000; i++) x = (Math.imul(x, 1664525) + 1013904223) | 0; process.stdout.write(String(x))";
/** What it takes on the machine above, with the start of Node. */
const referenceMs = 700;
const factorMax = 8;

let measured: Promise<number> | undefined;

/** 1 to 8. */
export function slowness(): Promise<number> {
  measured ??= measure();
  return measured;
}

/** Something took so long that takes `quietSeconds` on the reference machine: deadlines from now on are for a machine as slow as that. */
export async function learnSlowness(tookMs: number, quietSeconds: number): Promise<void> {
  const known = await slowness();
  measured = Promise.resolve(Math.max(known, Math.min(factorMax, tookMs / (quietSeconds * 1_000))));
}

/** Whole milliseconds for what takes `seconds` at most on the reference machine. */
export async function deadlineMs(seconds: number): Promise<number> {
  return Math.round(seconds * 1_000 * (await slowness()));
}

async function measure(): Promise<number> {
  const began = performance.now();
  await Promise.all([worked(), worked()]);
  return Math.min(factorMax, Math.max(1, (performance.now() - began) / referenceMs));
}

function worked(): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ["--eval", work], { stdio: "ignore" });
    child.once("error", reject);
    child.once("close", (code) =>
      code === 0 ? resolve() : reject(new Error(`the measuring work ended with ${code}`)),
    );
  });
}
