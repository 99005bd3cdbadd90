/**
 * What is left of a platform on this machine, looked for by its name wherever the kernel and the file system can tell: independently of the
 * product, which keeps lists of its own. Give the platform a name that nothing else on the machine contains.
 */
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** One line for each thing that is left; empty when all is gone. */
export function leftoversOf(platform: string): readonly string[] {
  return [
    ...processes(platform),
    ...lines("/proc/self/mountinfo", platform).map((line) => `mount: ${line}`),
    ...lines("/proc/net/unix", platform).map((line) => `socket: ${line}`),
    ...entries("/run/netns", platform).map((path) => `network namespace: ${path}`),
    ...devices(platform),
    ...ruleSets(platform),
    ...cgroups("/sys/fs/cgroup", platform, 4),
    ...["/run", "/run/lock", "/var/lib", "/var/log", "/var/cache", "/etc", "/dev/shm", "/tmp"]
      .flatMap((directory) => entries(directory, platform))
      .map((path) => `file: ${path}`),
  ];
}

/** The process and all that descend from it. */
export function familyOf(pid: number): readonly number[] {
  const children = pids().filter((each) => parentOf(each) === pid);
  return [pid, ...children.flatMap(familyOf)];
}

/** Ends with a name of the process, for messages; empty when there is none. */
export function commandOf(pid: number): string {
  return text(`/proc/${pid}/cmdline`).replaceAll("\0", " ").trim();
}

function processes(platform: string): readonly string[] {
  return pids()
    .filter((pid) => pid !== process.pid && pid !== process.ppid && commandOf(pid).includes(platform))
    .map((pid) => `process: ${pid} ${commandOf(pid).slice(0, 160)}`);
}

const pids = (): readonly number[] => readdirSync("/proc").map(Number).filter(Number.isInteger);

function parentOf(pid: number): number {
  const stat = text(`/proc/${pid}/stat`);
  // The name, in parentheses, may hold blanks and parentheses itself.
  return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
}

/** Devices of the host itself; those inside the platform's namespace go with it. */
function devices(platform: string): readonly string[] {
  const output = execFileSync("ip", ["-o", "link", "show"], { encoding: "utf8" });
  return output
    .split("\n")
    .filter((line) => line.includes(platform))
    .map((line) => `device: ${line}`);
}

function ruleSets(platform: string): readonly string[] {
  const output = execFileSync("nft", ["list", "tables"], { encoding: "utf8" });
  const names = [platform, platform.replaceAll("-", "_")];
  return output
    .split("\n")
    .filter((line) => names.some((name) => line.includes(name)))
    .map((line) => `rules: ${line}`);
}

function cgroups(directory: string, platform: string, depth: number): readonly string[] {
  if (depth === 0 || !existsSync(directory)) return [];
  return readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .flatMap((entry) => {
      const path = join(directory, entry.name);
      return entry.name.includes(platform) ? [`cgroup: ${path}`] : cgroups(path, platform, depth - 1);
    });
}

function entries(directory: string, platform: string): readonly string[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory)
    .filter((name) => name.includes(platform))
    .map((name) => join(directory, name));
}

const lines = (path: string, word: string): readonly string[] =>
  text(path)
    .split("\n")
    .filter((line) => line.includes(word));

function text(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // A process that ended while we looked.
    return "";
  }
}
