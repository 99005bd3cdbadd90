/**
 * Everything on this machine that belongs to microVMs of one platform, found without asking it: processes, taps, mounts, snapshots, leases, files, cgroups.
 * Two looks are compared: what is there after a cluster is gone and was not there before it, is left.
 *
 * What a host keeps on purpose is not counted: images with their unpacked layers, logs, its journal, the history of events.
 */
import { execFile } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import type { PlatformPaths } from "../../../packages/platform/src/paths.ts";
import { processes } from "./processes.ts";

const execute = promisify(execFile);
const commandTimeoutMs = 20_000;

/** One line for each thing, sorted; names hold no pids, so that two looks can be compared. */
export async function tracesOf(paths: PlatformPaths): Promise<readonly string[]> {
  const [links, containerd] = await Promise.all([linksOf(paths), containerdOf(paths)]);
  return [
    ...vmmsOf(paths),
    ...links,
    ...containerd,
    ...mountsOf(paths),
    ...filesOf(paths),
    ...cgroupsOf(paths),
  ].toSorted();
}

/** What `after` has and `before` has not. */
export function newTraces(before: readonly string[], after: readonly string[]): readonly string[] {
  const known = new Set(before);
  return after.filter((each) => !known.has(each));
}

/** Pid of the VMM of a microVM; undefined when none runs. */
export function vmmOfUid(uid: string): number | undefined {
  return processes().find(({ command }) => command.includes("qemu-system") && command.includes(`.${uid}.`))?.pid;
}

/** The VMMs and whatever else has a path of a microVM of this platform in its command line. */
function vmmsOf(paths: PlatformPaths): readonly string[] {
  const marks = [join(paths.runDirectory, "vm", "0"), join(paths.agentState, "vm")];
  return processes()
    .filter(({ command }) => marks.some((mark) => command.includes(mark)))
    .map(({ command }) => `process ${command.slice(0, 160)}`);
}

async function linksOf({ networkNamespace }: PlatformPaths): Promise<readonly string[]> {
  if (!existsSync(`/run/netns/${networkNamespace}`)) return [];
  const links: readonly { readonly ifname: string }[] = JSON.parse(
    await said("ip", ["-n", networkNamespace, "-json", "link"]),
  );
  const rules = await said("nft", ["list", "ruleset"], networkNamespace);
  // Names of taps in sets and rules.
  const taps = new Set(rules.match(/lmtap[0-9a-f]+/g) ?? []);
  return [...links.map(({ ifname }) => `device ${ifname}`), ...[...taps].map((tap) => `rule for ${tap}`)];
}

async function containerdOf({ containerdSocket }: PlatformPaths): Promise<readonly string[]> {
  if (!existsSync(containerdSocket)) return [];
  const ctr = (...args: readonly string[]): Promise<string> =>
    said("ctr", ["--address", containerdSocket, "--namespace", "flintlock", ...args]);
  const [snapshots, leases] = await Promise.all([ctr("snapshots", "list"), ctr("leases", "list", "--quiet")]);
  return [
    ...snapshots
      .split("\n")
      .filter((line) => /\b(Active|View)\b/.test(line))
      .map((line) => `snapshot ${line.split(/\s+/)[0]}`),
    // Those of images are committed and stay.
    ...leases
      .split("\n")
      .filter((line) => line.startsWith("flintlock/"))
      .map((line) => `lease ${line}`),
  ];
}

function mountsOf(paths: PlatformPaths): readonly string[] {
  return readFileSync("/proc/self/mounts", "utf8")
    .split("\n")
    .map((line) => line.split(" ")[1] ?? "")
    .filter((path) => path.startsWith(`${paths.stateDirectory}/`) || path.startsWith(`${paths.runDirectory}/`))
    .map((path) => `mount ${path}`);
}

/** Directories of microVMs, volumes, reservations of addresses, names; everything by its path. */
function filesOf(paths: PlatformPaths): readonly string[] {
  // Kernels and unpacked volumes of images, the journal, what was found out of the machine, the folder in which microVMs have theirs; dnsmasq's own books.
  const kept =
    /\/agent\/(files|journal|volumes\/bases)(\/|$)|\/agent\/(accelerator\.json|vm)$|\/network\/(leases|dnsmasq\.log)$/;
  return [paths.agentState, join(paths.runDirectory, "vm")]
    .flatMap((root) => tree(root))
    .filter((path) => !kept.test(path))
    .map((path) => `file ${path}`);
}

function tree(directory: string): readonly string[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory, { recursive: true, withFileTypes: true }).map((entry) =>
    join(entry.parentPath, entry.name),
  );
}

function cgroupsOf({ name }: PlatformPaths): readonly string[] {
  const root = "/sys/fs/cgroup";
  const parents = [root, ...directories(root).map((each) => join(root, each))].map((each) =>
    join(each, "liquidmetal", name),
  );
  return parents.flatMap((parent) => directories(parent).map((each) => `cgroup ${join(parent, each)}`));
}

function directories(path: string): readonly string[] {
  if (!existsSync(path)) return [];
  return readdirSync(path, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []));
}

async function said(program: string, args: readonly string[], namespace?: string): Promise<string> {
  const [command = "", ...rest] =
    namespace === undefined ? [program, ...args] : ["ip", "netns", "exec", namespace, program, ...args];
  return (await execute(command, rest, { timeout: commandTimeoutMs, maxBuffer: 16 * 1_048_576 })).stdout;
}
