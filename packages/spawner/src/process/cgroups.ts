/**
 * Control groups on every kind of machine: version 1, hybrid, version 2.
 *
 * Each hierarchy that can hold a limit we know gets a group of the asked name. What a machine lacks, or gives us read-only, is left out and
 * said (`notice`): a guest without a limit is better than no guest, and the host's facts tell the difference.
 */
import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import type { CgroupRequest } from "@liquidmetal/microvm";
import { Refusal, systemCode } from "./refusal.ts";

type Notice = (message: string) => void;

interface Hierarchy {
  readonly version: 1 | 2;
  readonly path: string;
  /** Of `memory`, `cpu`, `pids`: those this hierarchy can limit. */
  readonly controllers: readonly string[];
}

const limited = ["memory", "cpu", "pids"];
const cpuPeriodUs = 100_000;
/** What one busy process counts as in version 1. */
const sharesOfProcess = 1024;
/** Groups above those of guests count as so many busy processes for each processor. */
const parentWeightPerProcessor = 4;

export class Cgroups {
  readonly #root: string;
  readonly #notice: Notice;
  readonly #hierarchies: readonly Hierarchy[];
  readonly #said: Set<string> = new Set();

  constructor(root: string, notice: Notice, mountinfo: string = readFileSync("/proc/self/mountinfo", "utf8")) {
    this.#root = root;
    this.#notice = notice;
    this.#hierarchies = hierarchiesOf(mountinfo);
  }

  /** Makes the group with its limits; returns the files into which a process writes `0` to enter it. */
  create(request: CgroupRequest): string[] {
    const entrances: string[] = [];
    for (const hierarchy of this.#hierarchies) {
      const path = join(hierarchy.path, this.#root, request.name);
      try {
        mkdirSync(path, { recursive: true });
        if (hierarchy.version === 2) this.#delegate(hierarchy, path);
        if (request.cpuWeight !== undefined) this.#weighParents(hierarchy, path);
        for (const [file, value] of limitsOf(hierarchy, request)) this.#limit(join(path, file), value);
        entrances.push(join(path, "cgroup.procs"));
      } catch (error) {
        this.#once(`cgroup ${path} is left out: ${String(error)}`);
      }
    }
    return entrances;
  }

  /** Removes the group from every hierarchy. Waits up to a second for the kernel to let go of the last ended process. */
  async remove(name: string): Promise<void> {
    for (const hierarchy of this.#hierarchies) await removeGroup(join(hierarchy.path, this.#root, name));
  }

  /** Version 2 hands a controller down level by level, and only through groups without processes of their own. */
  #delegate(hierarchy: Hierarchy, path: string): void {
    const levels = path.slice(hierarchy.path.length + 1).split("/");
    for (let depth = 0; depth < levels.length; depth++) {
      const file = join(hierarchy.path, ...levels.slice(0, depth), "cgroup.subtree_control");
      for (const controller of hierarchy.controllers) this.#limit(file, `+${controller}`);
    }
  }

  /**
   * In version 1 a group competes with single processes: with the default weight all guests together would get what one busy process gets. In
   * version 2 the parent's neighbours are groups, as the system's services are, and it stays as the administrator has it.
   */
  #weighParents(hierarchy: Hierarchy, path: string): void {
    if (hierarchy.version !== 1 || !hierarchy.controllers.includes("cpu")) return;
    const shares = sharesOfProcess * parentWeightPerProcessor * availableParallelism();
    for (let parent = dirname(path); parent !== hierarchy.path; parent = dirname(parent)) {
      this.#limit(join(parent, "cpu.shares"), String(shares));
    }
  }

  #limit(file: string, value: string): void {
    try {
      writeFileSync(file, value);
    } catch (error) {
      this.#once(`${file} cannot be set to ${value}: ${String(error)}`);
    }
  }

  #once(message: string): void {
    const key = message.slice(0, 60);
    if (this.#said.has(key) || this.#said.size > 100) return;
    this.#said.add(key);
    this.#notice(message);
  }
}

async function removeGroup(path: string): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      rmdirSync(path);
      return;
    } catch (error) {
      if (systemCode(error) === "ENOENT") return;
      if (systemCode(error) !== "EBUSY" || attempt >= 50) {
        throw new Refusal("INTERNAL", `cgroup ${path} cannot be removed: ${String(error)}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

function limitsOf(hierarchy: Hierarchy, request: CgroupRequest): [file: string, value: string][] {
  const limits: [string, string][] = [];
  const { memoryMaxBytes, cpuMaxPercent, cpuWeight, pidsMax } = request;
  const one = hierarchy.version === 1;
  if (memoryMaxBytes !== undefined && hierarchy.controllers.includes("memory")) {
    limits.push([one ? "memory.limit_in_bytes" : "memory.max", String(memoryMaxBytes)]);
  }
  if (cpuMaxPercent !== undefined && hierarchy.controllers.includes("cpu")) {
    const quota = Math.round((cpuPeriodUs * cpuMaxPercent) / 100);
    if (one) limits.push(["cpu.cfs_period_us", String(cpuPeriodUs)], ["cpu.cfs_quota_us", String(quota)]);
    else limits.push(["cpu.max", `${quota} ${cpuPeriodUs}`]);
  }
  if (cpuWeight !== undefined && hierarchy.controllers.includes("cpu")) {
    // Version 2 counts from 1 to 10,000, with 100 for the default.
    if (one) limits.push(["cpu.shares", String(sharesOfProcess * cpuWeight)]);
    else limits.push(["cpu.weight", String(Math.min(100 * cpuWeight, 10_000))]);
  }
  if (pidsMax !== undefined && hierarchy.controllers.includes("pids")) limits.push(["pids.max", String(pidsMax)]);
  return limits;
}

/** Reads the mounted hierarchies out of proc_pid_mountinfo(5). Exported for its test. */
export function hierarchiesOf(mountinfo: string): Hierarchy[] {
  const found: Hierarchy[] = [];
  for (const line of mountinfo.split("\n")) {
    const [before = "", after = ""] = line.split(" - ");
    const path = before.split(" ")[4];
    const [kind, , options = ""] = after.split(" ");
    if (path === undefined) continue;
    if (kind === "cgroup") {
      const controllers = options.split(",").filter((option) => limited.includes(option));
      const seen = found.some((other) => other.controllers.some((controller) => controllers.includes(controller)));
      if (controllers.length > 0 && !seen) found.push({ version: 1, path, controllers });
    } else if (kind === "cgroup2") {
      const controllers = controllersOf(path).filter((controller) => limited.includes(controller));
      if (controllers.length > 0) found.push({ version: 2, path, controllers });
    }
  }
  return found;
}

function controllersOf(path: string): string[] {
  try {
    return readFileSync(join(path, "cgroup.controllers"), "utf8").trim().split(" ");
  } catch {
    return [];
  }
}
