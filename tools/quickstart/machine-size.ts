/** Whether a cluster fits this machine, and how large its nodes are made. */
import { existsSync, readFileSync, statfsSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";

export interface MachineFacts {
  readonly memoryMiB: number;
  readonly availableMemoryMiB: number;
  readonly cache: Space;
  readonly state: Space;
  /** Nothing was ever compiled for this user. */
  readonly cold: boolean;
}

export interface Space {
  /** Nearest folder that exists. */
  readonly directory: string;
  /** The same for all folders of one file system. */
  readonly fileSystem: string;
  readonly freeMiB: number;
}

export interface NodeSizes {
  readonly controlPlaneMemoryMiB: number;
  readonly workerMemoryMiB: number;
  readonly vcpu: number;
}

/** What the smallest pair of nodes takes with its hypervisors, and the management plane with the platform: measured, rounded up. */
const neededMemoryMiB = 5_632;
/** From here on nodes get what the templates give them by themselves. */
const roomyMemoryMiB = 15_000;
/** Go's modules and its build cache, packages, images; and what containerd keeps and two nodes write. */
const coldCacheMiB = 16_384;
const warmCacheMiB = 2_048;
const stateMiB = 6_144;

export function machineFacts(stateDirectory: string): MachineFacts {
  const memory = readFileSync("/proc/meminfo", "utf8");
  const field = (name: string): number =>
    Math.floor(Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(memory)?.[1] ?? 0) / 1_024);
  const cache = join(process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "liquidmetal/images");
  return {
    memoryMiB: field("MemTotal"),
    availableMemoryMiB: field("MemAvailable"),
    cache: spaceAt(cache),
    state: spaceAt(stateDirectory),
    cold: !existsSync(join(cache, "go")),
  };
}

function spaceAt(path: string): Space {
  let directory = path;
  while (!existsSync(directory)) directory = dirname(directory);
  const { bavail, bsize, blocks, files, type } = statfsSync(directory);
  // What statfs gives of two folders of one file system is the same but for what is free.
  return {
    directory,
    fileSystem: [type, bsize, blocks, files].join(),
    freeMiB: Math.floor((bavail * bsize) / 1_048_576),
  };
}

/** By what the machine has, not by what is free now: the same at every run, so that a rerun asks for the same cluster. */
export function nodeSizes({ memoryMiB }: Pick<MachineFacts, "memoryMiB">): NodeSizes {
  const roomy = memoryMiB >= roomyMemoryMiB;
  return { controlPlaneMemoryMiB: roomy ? 3_072 : 2_560, workerMemoryMiB: roomy ? 2_048 : 1_024, vcpu: 2 };
}

/** Why it does not fit, for people, with what to do; empty when it does. */
export function whatIsShort(facts: MachineFacts): readonly string[] {
  const { availableMemoryMiB, memoryMiB, cache, state, cold } = facts;
  const short: string[] = [];
  if (availableMemoryMiB < neededMemoryMiB) {
    short.push(
      `memory: ${gib(availableMemoryMiB)} of ${gib(memoryMiB)} GiB are available, the cluster takes ${gib(neededMemoryMiB)} GiB; ` +
        "end other programs, or try 'npm run quickstart -- --vm', which needs 1 GiB",
    );
  }
  const cacheMiB = cold ? coldCacheMiB : warmCacheMiB;
  if (cache.fileSystem === state.fileSystem) short.push(...tooFull(state, cacheMiB + stateMiB, "all of it"));
  else
    short.push(...tooFull(cache, cacheMiB, "compiling and images"), ...tooFull(state, stateMiB, "the platform's data"));
  return short;
}

function tooFull({ directory, freeMiB }: Space, neededMiB: number, what: string): readonly string[] {
  if (freeMiB >= neededMiB) return [];
  return [`disk: ${gib(freeMiB)} GiB are free at ${directory}, ${what} takes ${gib(neededMiB)} GiB; free some space`];
}

const gib = (mib: number): string => (mib / 1_024).toFixed(1);
