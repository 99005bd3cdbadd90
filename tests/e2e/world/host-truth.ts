/**
 * What is really on the host, compared with what the agent says: no guest lost, none doubled, no orphan.
 *
 * Nothing here asks the agent for anything but its list of microVMs; the rest is read from procfs, the kernel's devices, directories, cgroups and containerd.
 */
import { execFile } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";
import type { Shown } from "./microvms.ts";
import { type ProcessView, processesWith } from "./processes.ts";
import type { World } from "./world.ts";

const execute = promisify(execFile);
const uidPattern = /[0-9A-HJKMNP-TV-Z]{26}/;

/** Live VMM processes of one microVM. */
export function vmmsOf(world: World, uid: string): readonly ProcessView[] {
  const mark = world.vmmMark;
  return mark === undefined ? [] : processesWith(`${mark}${uid}.`);
}

/** The pid of its only VMM. */
export function vmmOf(world: World, uid: string): number {
  const [vmm, ...others] = vmmsOf(world, uid);
  if (vmm === undefined || others.length > 0) throw new Error(`${uid} has ${vmm === undefined ? 0 : "several"} VMMs`);
  return vmm.pid;
}

/** Resolves when host and agent agree; rejects with every difference when they do not within 15 s (the sweep after a start takes its time). */
export async function assertConsistent(world: World): Promise<void> {
  const deadline = performance.now() + 15_000;
  for (;;) {
    const found = await differences(world);
    if (found.length === 0) return;
    if (performance.now() > deadline) throw new Error(`host and agent differ:\n  ${found.join("\n  ")}`);
    await pause(50);
  }
}

async function differences(world: World): Promise<readonly string[]> {
  const vms = await (await world.microvms()).list();
  const known = new Map(vms.map((vm) => [vm.uid, vm]));
  const traces: readonly (readonly [string, readonly string[]])[] = [
    ["VMM", processesWith(world.vmmMark ?? "lmvm.").map(({ command }) => uidIn(command))],
    ["tap", await taps(world)],
    ["directory", directories(world)],
    ["run directory", names(join(world.paths.runDirectory, "vm")).filter((name) => uidPattern.test(name))],
    ["volume", names(join(world.paths.agentState, "volumes/ledger")).map(uidIn)],
    ["lease", await leases(world)],
    ["cgroup", cgroups(world)],
  ];
  return traces.flatMap(([kind, uids]) => [
    ...uids.filter((uid) => !known.has(uid)).map((uid) => `${kind} of ${uid}, which the agent does not know`),
    ...vms.flatMap((vm) => wrongCount(kind, vm, uids.filter((uid) => uid === vm.uid).length)),
  ]);
}

/** How many there have to be of each kind, for microVMs at rest with one volume and one interface. */
function wrongCount(kind: string, { uid, status }: Shown, found: number): readonly string[] {
  const running = status.phase === "running" || status.phase === "paused";
  const wanted = kind === "VMM" || kind === "cgroup" ? Number(running) : 1;
  const good = found === wanted || (kind !== "VMM" && !running && found <= 1);
  return good ? [] : [`${uid} (${status.phase}) has ${found} of ${kind}, not ${wanted}`];
}

async function taps(world: World): Promise<readonly string[]> {
  const { stdout } = await execute("ip", ["-n", world.paths.networkNamespace, "-json", "link"]);
  const links = JSON.parse(stdout) as readonly { readonly ifname: string; readonly ifalias?: string }[];
  return links
    .filter(({ ifname }) => ifname.startsWith("lmtap"))
    .map(({ ifalias, ifname }) => uidIn(ifalias ?? ifname));
}

function directories(world: World): readonly string[] {
  const root = join(world.paths.agentState, "vm");
  return names(root).flatMap((namespace) =>
    names(join(root, namespace)).flatMap((name) => names(join(root, namespace, name))),
  );
}

async function leases(world: World): Promise<readonly string[]> {
  const { stdout } = await execute("ctr", [
    ...["--address", world.containerd.address, "--namespace", "flintlock"],
    ...["leases", "list", "--quiet"],
  ]);
  return stdout
    .split("\n")
    .filter((line) => line.startsWith("flintlock/") && uidPattern.test(line))
    .map(uidIn);
}

/** One entry a microVM, in however many hierarchies its cgroup is. */
function cgroups(world: World): readonly string[] {
  const root = "/sys/fs/cgroup";
  const parents = [root, ...names(root).map((name) => join(root, name))].map((hierarchy) =>
    join(hierarchy, "liquidmetal", world.paths.name),
  );
  return [...new Set(parents.flatMap((parent) => names(parent).filter((name) => uidPattern.test(name))))];
}

function names(directory: string): readonly string[] {
  return existsSync(directory) ? readdirSync(directory) : [];
}

function uidIn(text: string): string {
  return uidPattern.exec(text)?.[0] ?? text;
}
