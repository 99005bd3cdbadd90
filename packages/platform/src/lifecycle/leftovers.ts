/** What a platform may leave on the machine besides its processes: mounts, namespaces, devices, rules, cgroups, files. Found, removed, reported. */
import { execFile } from "node:child_process";
import { existsSync, readdirSync, readFileSync, rmdirSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { PlatformPaths } from "../paths.ts";
import { commandLine, findPlatformProcesses } from "../process/identity.ts";

export interface Leftover {
  readonly kind: "process" | "mount" | "namespace" | "device" | "rules" | "cgroup" | "file";
  readonly name: string;
}

const execute = promisify(execFile);
const commandTimeoutMs = 10_000;

/** What the command line of every process of the platform holds one of. */
export function platformMarks(paths: PlatformPaths): readonly string[] {
  return [`${paths.runDirectory}/`, `${paths.stateDirectory}/`, `lmdns_${paths.name}_`];
}

/** `data`: the state directory counts as well. */
export async function leftoversOf(
  paths: PlatformPaths,
  options: { readonly data: boolean },
): Promise<readonly Leftover[]> {
  const files = [paths.runDirectory, ...(options.data ? [paths.stateDirectory] : [])].filter((path) =>
    existsSync(path),
  );
  const pids = findPlatformProcesses(platformMarks(paths));
  return [
    ...pids.map((pid) => leftover("process", `${pid} ${commandLine(pid).slice(0, 120)}`)),
    ...mounts(paths).map((path) => leftover("mount", path)),
    ...(existsSync(join("/run/netns", paths.networkNamespace)) ? [leftover("namespace", paths.networkNamespace)] : []),
    ...(await devices(paths)).map((name) => leftover("device", name)),
    ...(await tables(paths)).map((name) => leftover("rules", name)),
    ...cgroups(paths).map((path) => leftover("cgroup", path)),
    ...files.map((path) => leftover("file", path)),
  ];
}

/** Removes what may be removed; never throws: what stays is reported by `leftoversOf`. */
export async function removeLeftovers(paths: PlatformPaths, options: { readonly data: boolean }): Promise<void> {
  for (const path of mounts(paths)) await quietly("umount", ["--lazy", path]);
  if (existsSync(join("/run/netns", paths.networkNamespace)))
    await quietly("ip", ["netns", "delete", paths.networkNamespace]);
  for (const name of await devices(paths)) await quietly("ip", ["link", "delete", "dev", name]);
  for (const table of await tables(paths)) await quietly("nft", ["delete", "table", ...table.split(" ")]);
  for (const path of cgroups(paths)) removeCgroup(path);
  if (options.data) await rm(paths.stateDirectory, { recursive: true, force: true }).catch(() => undefined);
}

/** Deepest first. */
function mounts(paths: PlatformPaths): readonly string[] {
  const below = (path: string): boolean =>
    [paths.stateDirectory, paths.runDirectory].some(
      (directory) => path === directory || path.startsWith(`${directory}/`),
    );
  const points = readFileSync("/proc/self/mounts", "utf8")
    .split("\n")
    .map((line) =>
      (line.split(" ")[1] ?? "").replace(/\\(\d{3})/g, (_, octal: string) =>
        String.fromCharCode(Number.parseInt(octal, 8)),
      ),
    );
  return points.filter(below).reverse();
}

/** Devices of the host whose alias names this platform. */
async function devices(paths: PlatformPaths): Promise<readonly string[]> {
  const text = await quietly("ip", ["-json", "link", "show"]);
  try {
    const links: unknown = JSON.parse(text);
    if (!Array.isArray(links)) return [];
    return links.flatMap((link: { readonly ifname?: string; readonly ifalias?: string }) =>
      link.ifname !== undefined && link.ifalias?.startsWith(`liquidmetal:${paths.name}:`) === true ? [link.ifname] : [],
    );
  } catch {
    return [];
  }
}

/** Tables of nftables that are this platform's: `family name`. */
async function tables(paths: PlatformPaths): Promise<readonly string[]> {
  const name = `lm_${paths.name.replaceAll("-", "_")}`;
  const text = await quietly("nft", ["list", "tables"]);
  return text.split("\n").flatMap((line) => {
    const [, family, table] = /^table (\S+) (\S+)$/.exec(line.trim()) ?? [];
    return family !== undefined && table !== undefined && [name, `${name}_link`, `${name}_plane`].includes(table)
      ? [`${family} ${table}`]
      : [];
  });
}

/** Directories of this platform in every cgroup hierarchy. */
function cgroups(paths: PlatformPaths): readonly string[] {
  const root = "/sys/fs/cgroup";
  if (!existsSync(root)) return [];
  const hierarchies = [
    root,
    ...readdirSync(root, { withFileTypes: true }).flatMap((entry) =>
      entry.isDirectory() ? [join(root, entry.name)] : [],
    ),
  ];
  return hierarchies
    .flatMap((hierarchy) => [join(hierarchy, "liquidmetal", paths.name), join(hierarchy, `liquidmetal-${paths.name}`)])
    .filter((path) => existsSync(path));
}

function removeCgroup(path: string): void {
  try {
    for (const entry of readdirSync(path, { withFileTypes: true }))
      if (entry.isDirectory()) removeCgroup(join(path, entry.name));
    rmdirSync(path);
  } catch {
    // A process still lives in it; it is reported.
  }
}

async function quietly(program: string, args: readonly string[]): Promise<string> {
  try {
    return (await execute(program, [...args], { timeout: commandTimeoutMs })).stdout;
  } catch {
    return "";
  }
}

const leftover = (kind: Leftover["kind"], name: string): Leftover => ({ kind, name });
