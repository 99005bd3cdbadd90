/** The agent alone: VMMs only sleep; containerd, taps, rules, volumes and journal are real. */
import type { Connection } from "@liquidmetal/api/client";
import { type Created, createOne, deleteOne, type Images, StateWatch } from "./agent/lifecycle.ts";
import { measureGets, measureLists, measureWatch } from "./agent/reads.ts";
import type { Benchmark } from "./main.ts";
import { distribution, round } from "./measure/distribution.ts";
import { cleanAll } from "./world/cleanup.ts";
import { BenchHost } from "./world/host.ts";
import { loadAverage } from "./world/processes.ts";
import { measuredProgram } from "./world/program.ts";

type Figures = Record<string, unknown>;
type Say = (line: string) => void;

interface Stage {
  readonly host: BenchHost;
  readonly images: Images;
  readonly say: Say;
}

/** Creates and deletes one by one. */
const singles = Number(process.env["BENCH_SINGLES"] ?? 60);
/** How many microVMs the big measurements use; smaller for a quick look. */
const manyMicroVms = Number(process.env["BENCH_MICROVMS"] ?? 1_000);

export const benchmark: Benchmark = {
  name: "agent",
  summary: "create, delete, read, watch and restart with a VMM that only sleeps",
  run: async (say) => {
    try {
      const host = await BenchHost.start({ sleepingVmms: true, overcommit: true, say });
      const { kernel, root } = host.images;
      const images = { kernel: kernel.reference, kernelFile: kernel.elfKernelPath, root: root.reference };
      return await measure({ host, images, say });
    } finally {
      await cleanAll();
    }
  },
};

async function measure(stage: Stage): Promise<Figures> {
  const figures: Figures = { program: measuredProgram, loadAtStart: loadAverage() };
  const idle = stage.host.costs().flintlockd.rssMiB;
  Object.assign(figures, await measureLifecycle(stage));
  if (manyMicroVms > 0) figures["many"] = { rssMiBIdle: idle, ...(await measureMany(stage)) };
  figures["loadAtEnd"] = loadAverage();
  return figures;
}

async function measureLifecycle({ host, images, say }: Stage): Promise<Figures> {
  const { connection } = host;
  await using watch = new StateWatch(connection.host);
  await watch.ready();
  const warm = await createMany(connection, watch, images, "warm", 10, 1);
  for (const created of warm.made) await deleteOne(connection, watch, created);

  const before = host.costs();
  const single = await createMany(connection, watch, images, "single", singles, 1);
  const after = host.costs();
  const cpuMs = (name: keyof typeof before): number =>
    round(((after[name].cpuSeconds - before[name].cpuSeconds) * 1_000) / singles);
  const create = {
    milliseconds: distribution(single.made.map((created) => created.milliseconds)),
    cpuMsEach: {
      flintlockd: cpuMs("flintlockd"),
      spawner: cpuMs("spawner"),
      containerd: cpuMs("containerd"),
    },
  };
  say(`create → CREATED  ${line(create.milliseconds)}  cpu ${JSON.stringify(create.cpuMsEach)}`);
  const uids = single.made.map((created) => created.uid);
  const get1 = await measureGets(connection, uids, 1, 3_000);
  const get16 = await measureGets(connection, uids, 16, 5_000);
  say(`GetMicroVM        ${get1["callsPerSecond"]}/s alone, ${get16["callsPerSecond"]}/s at 16 in flight`);
  const deletes: number[] = [];
  for (const created of single.made) deletes.push(await deleteOne(connection, watch, created));
  const remove = { milliseconds: distribution(deletes) };
  say(`delete            ${line(remove.milliseconds)}`);
  const bursts: Figures = {};
  for (const size of (process.env["BENCH_BURSTS"] ?? "20,200").split(",").filter(Boolean).map(Number)) {
    const rounds: number[] = [];
    const removals: number[] = [];
    for (let round = 0; round < (size === 20 ? 5 : 2); round++) {
      const burst = await createMany(connection, watch, images, `burst${size}x${round}`, size, size);
      rounds.push(burst.totalMs);
      const startedMs = performance.now();
      await Promise.all(burst.made.map((created) => deleteOne(connection, watch, created)));
      removals.push(performance.now() - startedMs);
    }
    bursts[`atOnce${size}`] = { createdMs: distribution(rounds), deletedMs: distribution(removals) };
    say(`${size} at once: created ${line(distribution(rounds))}; deleted ${line(distribution(removals))}`);
  }
  return { create, delete: remove, get: { alone: get1, sixteen: get16 }, ...bursts };
}

async function measureMany({ host, images, say }: Stage): Promise<Figures> {
  let { connection } = host;
  let made: readonly Created[];
  const figures: Figures = { microVms: manyMicroVms };
  {
    await using watch = new StateWatch(connection.host);
    await watch.ready();
    const burst = await createMany(connection, watch, images, "many", manyMicroVms, 64);
    made = burst.made;
    figures["createdMs"] = round(burst.totalMs);
    say(`${manyMicroVms} created, 64 in flight: ${round(burst.totalMs)} ms`);
  }
  figures["rssMiB"] = { afterCreates: host.costs().flintlockd.rssMiB, spawner: host.costs().spawner.rssMiB };
  const lists = await measureLists(connection, 20);
  const watched = await measureWatch(connection, 100, made[0]?.uid ?? "", () =>
    connection.host.pauseMicroVM({ uid: made[0]?.uid ?? "" }),
  );
  const get16 = await measureGets(
    connection,
    made.map(({ uid }) => uid),
    16,
    5_000,
  );
  Object.assign(figures, { list: lists, watch: watched, get: get16, rssMiBAfterReads: host.costs().flintlockd.rssMiB });
  say(
    `RSS ${JSON.stringify(figures["rssMiB"])} after reads ${figures["rssMiBAfterReads"]}; Get ${get16["callsPerSecond"]}/s`,
  );
  say(`List ${JSON.stringify(lists)}`);
  say(`Watch ${JSON.stringify(watched)}`);

  const restarts: number[] = [];
  const answers: number[] = [];
  for (let round = 0; round < 3; round++) {
    await host.stopAgent("SIGKILL");
    const startedMs = performance.now();
    answers.push(await host.startAgent());
    connection = host.connection;
    const listed = await connection.microVms.listMicroVMs({});
    const running = listed.microvm.filter((one) => one.status?.state === 1).length;
    if (running !== manyMicroVms) throw new Error(`${running} of ${manyMicroVms} came back`);
    restarts.push(performance.now() - startedMs);
  }
  figures["restart"] = {
    answeringMs: distribution(answers),
    listedMs: distribution(restarts),
    rssMiB: host.costs().flintlockd.rssMiB,
  };
  say(`restart → all listed ${line(distribution(restarts))}`);

  await using watch = new StateWatch(connection.host);
  await watch.ready();
  const deletes = await inLine(made, 1, (created) => deleteOne(connection, watch, created));
  const slow = deletes.filter((milliseconds) => milliseconds > 1_000).length;
  figures["delete"] = { milliseconds: distribution(deletes), stalls: slow };
  say(
    `${manyMicroVms} deletes one by one ${line(distribution(deletes))}; stalls ${slow}; RSS ${host.costs().flintlockd.rssMiB}`,
  );
  return figures;
}

async function createMany(
  connection: Connection,
  watch: StateWatch,
  images: Images,
  prefix: string,
  count: number,
  inFlight: number,
): Promise<{ readonly made: readonly Created[]; readonly totalMs: number }> {
  const startedMs = performance.now();
  const names = Array.from({ length: count }, (_, index) => `${prefix}-${index}`);
  const made = await inLine(names, inFlight, (name) => createOne(connection, watch, images, name));
  return { made, totalMs: performance.now() - startedMs };
}

/** Does `work` for every item, at most `inFlight` at once; results in order. */
async function inLine<T, R>(items: readonly T[], inFlight: number, work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let index = next++; index < items.length; index = next++) {
      const item = items[index];
      if (item !== undefined) results[index] = await work(item);
    }
  };
  await Promise.all(Array.from({ length: Math.min(inFlight, items.length) }, worker));
  return results;
}

function line({ p50, p99, max }: { readonly p50: number; readonly p99: number; readonly max: number }): string {
  return `p50 ${p50} ms, p99 ${p99} ms, max ${max} ms`;
}
