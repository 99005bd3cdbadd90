/**
 * Who holds something in the cache: a process by number and start time, so that a number that was given away again is not taken for it, and by its
 * PID namespace: a build in a container that shares this cache has numbers of its own.
 */
import { readFileSync, readlinkSync } from "node:fs";

/** `<pid>-<start time in clock ticks since boot>-<PID namespace>`, as in `4711-90210-4026531836`; 0 where there is no /proc. */
export const ownOwner = (): string => ownerOf(process.pid);

export const ownerOf = (pid: number): string => `${pid}-${startTicks(pid) ?? 0}-${namespace()}`;

/** Whether the process of an owner still runs. What is no owner is dead; of another namespace nothing can be seen, so it counts as living. */
export function isAlive(owner: string): boolean {
  const [, pid, start, space] = /^(\d+)-(\d+)-(\d+)$/.exec(owner) ?? [];
  if (pid === undefined || Number(pid) <= 0) return false;
  if (space !== namespace()) return true;
  const ticks = startTicks(Number(pid));
  return ticks === undefined ? exists(Number(pid)) : ticks === Number(start);
}

/** Whether an owner's process may be seen from here. */
export const isVisible = (owner: string): boolean => owner.endsWith(`-${namespace()}`);

let known: string | undefined;

function namespace(): string {
  try {
    known ??= /\d+/.exec(readlinkSync("/proc/self/ns/pid"))?.[0] ?? "0";
  } catch {
    known = "0";
  }
  return known;
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
