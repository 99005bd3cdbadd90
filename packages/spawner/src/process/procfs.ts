/**
 * Who a pid is, from procfs.
 *
 * A process is ours when the boot, the start time (field 22 of /proc/PID/stat, proc_pid_stat(5)) and the token in its command line match.
 * A pid that was given to someone else has another start time, so the process we knew is gone. What cannot be read proves nothing.
 */
import { readdirSync, readFileSync } from "node:fs";
import type { LivenessVerdict, ProcessIdentity } from "@liquidmetal/microvm";
import { systemCode } from "./refusal.ts";

export const bootId: string = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();

export interface ProcessStat {
  /** `Z` and `X` have ended and only wait to be collected. */
  readonly state: string;
  readonly startTime: string;
  /** It is on its way out (PF_EXITING): its memory, and with it the command line, may be gone already. */
  readonly exiting: boolean;
}

/** State and start time; undefined when there is no such process. Throws what else prevents reading. */
export function readStat(pid: number): ProcessStat | undefined {
  const line = readProc(`/proc/${pid}/stat`);
  if (line === undefined) return undefined;
  // The name, field 2, may hold blanks and parentheses: what follows the last one is regular.
  const rest = line.slice(line.lastIndexOf(")") + 2).split(" ");
  return { state: rest[0] ?? "", startTime: rest[19] ?? "", exiting: (Number(rest[6]) & 4) !== 0 };
}

/** The arguments of a process; empty when it is gone or has none (kernel threads, ended processes). */
export function readCommandLine(pid: number): readonly string[] {
  const line = readProc(`/proc/${pid}/cmdline`);
  return line === undefined || line === "" ? [] : line.replace(/\0$/, "").split("\0");
}

export function verdictOf(identity: ProcessIdentity): LivenessVerdict {
  if (identity.bootId !== bootId) return "gone";
  try {
    const stat = readStat(identity.pid);
    if (stat === undefined || stat.startTime !== identity.startTime || ended(stat)) return "gone";
    if (readCommandLine(identity.pid).some((argument) => argument.includes(identity.token))) return "alive";
    const again = readStat(identity.pid);
    return again === undefined || ended(again) || again.exiting ? "gone" : "unverifiable";
  } catch {
    return "unverifiable";
  }
}

export function ended(stat: ProcessStat): boolean {
  return stat.state === "Z" || stat.state === "X";
}

/** Every live process whose command line holds a word (of the characters of tokens) that begins with `prefix`. */
export function findByTokenPrefix(prefix: string): ProcessIdentity[] {
  const word = new RegExp(`(?<![A-Za-z0-9_.-])${prefix.replaceAll(".", "\\.")}[A-Za-z0-9_.-]*`);
  const found: ProcessIdentity[] = [];
  for (const entry of readdirSync("/proc")) {
    const pid = Number(entry);
    if (!Number.isInteger(pid) || pid < 2 || pid === process.pid) continue;
    try {
      const token = word.exec(readProc(`/proc/${pid}/cmdline`) ?? "")?.[0];
      const stat = token === undefined ? undefined : readStat(pid);
      if (token !== undefined && stat !== undefined && !ended(stat))
        found.push({ pid, startTime: stat.startTime, bootId, token });
    } catch {
      // Somebody else's process that we may not look at: not ours.
    }
  }
  return found;
}

function readProc(path: string): string | undefined {
  try {
    return readFileSync(path, "latin1");
  } catch (error) {
    if (["ENOENT", "ESRCH"].includes(systemCode(error))) return undefined;
    throw error;
  }
}
