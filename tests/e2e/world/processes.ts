/** Processes of this machine, read from procfs: by parent, and by what their command line carries. */
import { readdirSync, readFileSync } from "node:fs";

export interface ProcessView {
  readonly pid: number;
  readonly parent: number;
  readonly state: string;
  /** Arguments joined by blanks; empty for kernel threads and zombies. */
  readonly command: string;
}

export function processes(): readonly ProcessView[] {
  return readdirSync("/proc").flatMap((entry) => {
    const pid = Number(entry);
    const found = Number.isInteger(pid) ? processView(pid) : undefined;
    return found === undefined ? [] : [found];
  });
}

/** A live process; undefined when it is gone or waits to be reaped. */
export function processView(pid: number): ProcessView | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const [state = "", parent = ""] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    if (state === "Z" || state === "X") return undefined;
    const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
    return { pid, parent: Number(parent), state, command };
  } catch {
    return undefined;
  }
}

export function childrenOf(parent: number): readonly ProcessView[] {
  return processes().filter((process) => process.parent === parent);
}

export function processesWith(text: string): readonly ProcessView[] {
  return processes().filter(({ command, pid }) => pid !== process.pid && command.includes(text));
}
