/**
 * capmvm: machines to provisioned against the floor that the API server's own write rate sets in the same run, memory, and restart.
 *
 * `BENCH_MACHINES` (1,000) for the first, `BENCH_MANY` (5,000) for the others, `BENCH_HOSTS` (20) fake hosts.
 */
import { inParallel, machinesPath, makeMachines, nameOf, replay } from "./capmvm/machines.ts";
import { concurrency, namespace, type ProcessorMs, residentMiB, Stage } from "./capmvm/stage.ts";
import type { Benchmark } from "./main.ts";
import { round } from "./measure/distribution.ts";
import { loadAverage } from "./world/processes.ts";
import { measuredProgram } from "./world/program.ts";

type Say = (line: string) => void;

const machines = Number(process.env["BENCH_MACHINES"] ?? 1_000);
const many = Math.max(machines, Number(process.env["BENCH_MANY"] ?? 5_000));
const hosts = Number(process.env["BENCH_HOSTS"] ?? 20);
const floorNamespace = "floor";

export const benchmark: Benchmark = {
  name: "capmvm",
  summary: `${machines} machines to provisioned, ${many} in memory and over a restart`,
  run: async (say) => {
    await using stage = await Stage.open(hosts);
    const figures: Record<string, unknown> = { load: loadAverage(), program: measuredProgram, hosts, concurrency };
    figures["provisioning"] = await provisioning(stage, say);
    figures["many"] = await manyMachines(stage, say);
    return figures;
  },
};

/** The clock runs from the moment when the controllers begin, with all machines there and their caches filled, until the last one is provisioned. */
async function provisioning(stage: Stage, say: Say): Promise<Record<string, unknown>> {
  await makeMachines(stage, namespace, 0, machines);
  await makeMachines(stage, floorNamespace, 0, machines);
  const { pid } = await stage.startCapmvm();
  const before = stage.processorMs();
  const began = performance.now();
  await provisioned(stage, machines);
  const seconds = (performance.now() - began) / 1_000;
  const processorMs = each(before, stage.processorMs());
  await idle(stage);
  const writes = await stage.writes();
  const memoryMiB = residentMiB(pid);
  say(
    `${machines} machines in ${seconds.toFixed(1)} s, ${(writes / machines).toFixed(2)} writes each, ${memoryMiB} MiB`,
  );
  await stage.stopCapmvm();

  const [done] = await stage.api.list(`${machinesPath(namespace)}?limit=1`);
  const whole = Math.floor(writes / machines);
  const more = writes - whole * machines;
  const floorBefore = stage.processorMs();
  const floorBegan = performance.now();
  await inParallel(0, machines, (index) =>
    replay(stage, floorNamespace, done, nameOf(index), whole + (index < more ? 1 : 0)),
  );
  const floorSeconds = (performance.now() - floorBegan) / 1_000;
  const floorProcessorMs = each(floorBefore, stage.processorMs());
  const ratio = seconds / floorSeconds;
  say(`as many writes by nobody: ${floorSeconds.toFixed(1)} s; ratio ${ratio.toFixed(2)}`);
  return {
    ...{ machines, writes, residentMiB: memoryMiB },
    ...{ seconds: round(seconds), floorSeconds: round(floorSeconds), ratio: round(ratio) },
    // Of each process, for one machine: unlike the seconds these mean something on a busy machine, too.
    ...{ processorMs, floorProcessorMs },
  };
}

function each(before: ProcessorMs, after: ProcessorMs): Record<string, number> {
  const names = Object.keys(after) as (keyof ProcessorMs)[];
  return Object.fromEntries(names.map((name) => [name, round((after[name] - before[name]) / machines)]));
}

async function manyMachines(stage: Stage, say: Say): Promise<Record<string, unknown>> {
  await makeMachines(stage, namespace, machines, many);
  const first = await stage.startCapmvm();
  await provisioned(stage, many);
  await settled(stage);
  const grownMiB = residentMiB(first.pid);
  await stage.stopCapmvm();

  const { pid, startedAtMs } = await stage.startCapmvm();
  const syncedSeconds = round((performance.now() - startedAtMs) / 1_000);
  await idle(stage);
  const idleSeconds = round((performance.now() - startedAtMs) / 1_000);
  await settled(stage);
  const writes = await stage.writes();
  const memoryMiB = residentMiB(pid);
  say(`${many} machines: ${grownMiB} MiB after making them, ${memoryMiB} MiB after a restart`);
  say(`restart: synced after ${syncedSeconds} s, idle after ${idleSeconds} s, ${writes} writes`);
  return {
    ...{ machines: many, residentMiB: grownMiB },
    restart: { syncedSeconds, idleSeconds, writes, residentMiB: memoryMiB },
  };
}

async function provisioned(stage: Stage, wanted: number): Promise<void> {
  await stage.until(`${wanted} machines are provisioned`, async () => (await stage.provisioned()) >= wanted);
}

/** Nothing waits and nothing is worked on, twice in a row. */
async function idle(stage: Stage): Promise<void> {
  let calm = 0;
  await stage.until("it is idle", async () => {
    calm = (await stage.busy()) === 0 ? calm + 1 : 0;
    return calm >= 2;
  });
}

/** Numbers of hosts are written at most every 30 s: nothing was written for longer than that. */
async function settled(stage: Stage): Promise<void> {
  let writes = -1;
  let sinceMs = performance.now();
  await stage.until("it has settled", async () => {
    const now = await stage.writes();
    if (now !== writes) sinceMs = performance.now();
    writes = now;
    return performance.now() - sinceMs > 40_000;
  });
}
