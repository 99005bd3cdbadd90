/** Who holds something in the cache: a process by number and start time, so that a number that was given away again is not taken for it. */
import { readFileSync } from "node:fs";

/** `<pid>-<start time in clock ticks since boot>`, as in `4711-90210`; 0 where there is no /proc. */
export const ownOwner = (): string => ownerOf(process.pid);

export const ownerOf = (pid: number): string => `${pid}-${startTicks(pid) ?? 0}`;

/** Whether the process of an owner still runs. What is no owner is dead. */
export function isAlive(owner: string): boolean {
  const [, pid, start] = /^(\d+)-(\d+)$/.exec(owner) ?? [];
  if (pid === undefined || Number(pid) <= 0) return false;
  const ticks = startTicks(Number(pid));
  return ticks === undefined ? exists(Number(pid)) : ticks === Number(start);
}

/** Field 22 of /proc/PID/stat; undefined where it cannot be read. A zombie has ended. */
function startTicks(pid: number): number | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The name, in parentheses, may hold anything.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" ? -1 : Number(fields[19]);
  } catch {
    return undefined;
  }
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}
