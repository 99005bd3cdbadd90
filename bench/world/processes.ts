/** What processes cost and hold, from procfs: processor time, resident memory, descendants. */
import { readdirSync, readFileSync } from "node:fs";
import { round } from "../measure/distribution.ts";

/** Clock ticks a second of `/proc/PID/stat`: 100 on every Linux that Node runs on. */
const ticksPerSecond = 100;

export interface ProcessCost {
  /** User and system time, ended children included, seconds. */
  readonly cpuSeconds: number;
  readonly rssMiB: number;
}

/** Throws when the process is gone. */
export function costOf(pid: number): ProcessCost {
  const line = readFileSync(`/proc/${pid}/stat`, "latin1");
  const fields = line.slice(line.lastIndexOf(")") + 2).split(" ");
  const ticks = [11, 12, 13, 14].reduce((sum, index) => sum + Number(fields[index]), 0);
  const status = readFileSync(`/proc/${pid}/status`, "latin1");
  const kibibytes = Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0);
  return { cpuSeconds: round(ticks / ticksPerSecond), rssMiB: round(kibibytes / 1_024) };
}

/** Children of a process whose command line holds `mark`. */
export function childOf(pid: number, mark: string): number | undefined {
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const line = readFileSync(`/proc/${entry}/stat`, "latin1");
      const parent = Number(line.slice(line.lastIndexOf(")") + 2).split(" ")[1]);
      if (parent === pid && readFileSync(`/proc/${entry}/cmdline`, "latin1").includes(mark)) return Number(entry);
    } catch {
      // It ended meanwhile.
    }
  }
  return undefined;
}

/** Load of the last minute: figures taken while others work are worth less. */
export function loadAverage(): number {
  return Number(readFileSync("/proc/loadavg", "latin1").split(" ")[0]);
}
