/**
 * Is this pid still the process that we started? Only with the same start time, in the same boot, and with our token in its command line or, for one that was
 * started by way of another program and has a command line of its own, in its environment. "Cannot read" is never a match.
 */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { basename } from "node:path";

export interface ProcessIdentity {
  readonly pid: number;
  /** Field 22 of /proc/PID/stat, clock ticks since boot, as text. */
  readonly startTime: string;
  readonly bootId: string;
  readonly token: string;
}

export interface ProcessUsage {
  /** Resident. */
  readonly memoryBytes: number;
  readonly uptimeMs: number;
}

/** USER_HZ: fixed at 100 in the kernel's interface to programs on every architecture that we run on. */
const ticksPerSecond = 100;

export function bootId(): string {
  return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
}

/** The identity of a live process that carries the token; `undefined` when there is none. */
export function identify(pid: number, token: string): ProcessIdentity | undefined {
  const stat = statOf(pid);
  if (stat === undefined || stat.state === "Z" || !carries(pid, token)) return undefined;
  return { pid, startTime: stat.startTime, bootId: bootId(), token };
}

export function isAlive(identity: ProcessIdentity): boolean {
  const found = identify(identity.pid, identity.token);
  return found !== undefined && found.startTime === identity.startTime && found.bootId === identity.bootId;
}

/** Signals the process only if it is provably ours. Says whether it was signalled. */
export function signalIfOurs(identity: ProcessIdentity, signal: NodeJS.Signals): boolean {
  if (!isAlive(identity)) return false;
  try {
    process.kill(identity.pid, signal);
    return true;
  } catch {
    return false;
  }
}

/** Name of the variable that holds the token of a process that cannot carry it in its command line. */
export const tokenVariable = "LIQUIDMETAL_UNIT";

/** Live processes that carry the token of a unit. */
export function findByToken(token: string): readonly number[] {
  return readdirSync("/proc").flatMap((entry) => {
    const pid = Number(entry);
    if (!Number.isInteger(pid) || pid === process.pid) return [];
    return carries(pid, token) && statOf(pid)?.state !== "Z" ? [pid] : [];
  });
}

function carries(pid: number, token: string): boolean {
  if (commandLine(pid).includes(token)) return true;
  try {
    return readFileSync(`/proc/${pid}/environ`, "utf8").split("\0").includes(`${tokenVariable}=${token}`);
  } catch {
    return false;
  }
}

/** Live processes whose command line holds `text`. */
export function findByCommandLine(text: string): readonly number[] {
  return readdirSync("/proc").flatMap((entry) => {
    const pid = Number(entry);
    if (!Number.isInteger(pid) || pid === process.pid) return [];
    return commandLine(pid).includes(text) && statOf(pid)?.state !== "Z" ? [pid] : [];
  });
}

/** Programs that a platform runs: nobody's pager or editor, which may name the same files, is taken for one of them. */
const ownPrograms =
  /^(node|containerd|dnsmasq|virtiofsd|firecracker|cloud-hyper|qemu-system-|etcd$|kube-|cluster-api-|kubeadm-)/;

/** Live processes of a platform: programs of the kinds that it runs, with one of its marks in their command line. */
export function findPlatformProcesses(marks: readonly string[]): readonly number[] {
  const found = new Set(marks.flatMap((mark) => findByCommandLine(mark)));
  return [...found].filter((pid) => pid !== process.ppid && ownPrograms.test(programName(pid)));
}

function programName(pid: number): string {
  try {
    return basename(readlinkSync(`/proc/${pid}/exe`));
  } catch {
    return "";
  }
}

export function usageOf(pid: number): ProcessUsage | undefined {
  const stat = statOf(pid);
  if (stat === undefined) return undefined;
  try {
    const pages = Number(readFileSync(`/proc/${pid}/statm`, "utf8").split(" ")[1]);
    const upSeconds = Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]);
    const startedSeconds = Number(stat.startTime) / ticksPerSecond;
    return { memoryBytes: pages * 4_096, uptimeMs: Math.max(0, Math.round((upSeconds - startedSeconds) * 1_000)) };
  } catch {
    return undefined;
  }
}

/** Its share of the memory, pages that it has together with others divided among them; undefined where the kernel does not tell. */
export function proportionalMemoryBytes(pid: number): number | undefined {
  try {
    const kibibytes = /^Pss:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))?.[1];
    return kibibytes === undefined ? undefined : Number(kibibytes) * 1_024;
  } catch {
    return undefined;
  }
}

export function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
  } catch {
    return "";
  }
}

function statOf(pid: number): { readonly state: string; readonly startTime: string } | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name, in parentheses, may hold blanks and parentheses itself.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    const [state, startTime] = [fields[0], fields[19]];
    return state === undefined || startTime === undefined ? undefined : { state, startTime };
  } catch {
    return undefined;
  }
}
