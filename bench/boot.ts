/** Boot: from the API call to the guest's own word that it is ready, against bare QEMU with the same kernel, disk and arguments. */
import { execFileSync } from "node:child_process";
import { dirname, join } from "node:path";
import { deleteOne, StateWatch } from "./agent/lifecycle.ts";
import { type BareMachine, bootBare, type Original, prepareBare } from "./boot/bare-qemu.ts";
import type { Benchmark } from "./main.ts";
import { distribution, round } from "./measure/distribution.ts";
import { cleanAll } from "./world/cleanup.ts";
import { BenchHost } from "./world/host.ts";
import { loadAverage } from "./world/processes.ts";
import { measuredProgram } from "./world/program.ts";

const rounds = Number(process.env["BENCH_BOOTS"] ?? 5);

export const benchmark: Benchmark = {
  name: "boot",
  summary: "API call → guest ready, against bare QEMU",
  run: async (say) => {
    try {
      await using host = await BenchHost.start({ sleepingVmms: false, overcommit: true, say });
      return await measure(host, say);
    } finally {
      await cleanAll();
    }
  },
};

async function measure(host: BenchHost, say: (line: string) => void): Promise<Record<string, unknown>> {
  await using watch = new StateWatch(host.connection.host);
  await watch.ready();
  const ours: number[] = [];
  const bare: number[] = [];
  // One turn each, one after the other, so that what else the machine does falls on both alike; the first turn warms the caches.
  for (let turn = -1; turn < rounds; turn++) {
    const booted = await bootOurs(host, watch, `boot-${turn + 1}`);
    const bareMs = await bootBare(booted.bare);
    await deleteOne(host.connection, watch, booted);
    say(
      `${turn < 0 ? "warm-up" : `turn ${turn + 1}`}: through the API ${round(booted.readyMs)} ms, bare ${round(bareMs)} ms`,
    );
    if (turn < 0) continue;
    ours.push(booted.readyMs);
    bare.push(bareMs);
  }
  const ratio = round(distribution(ours).p50 / distribution(bare).p50);
  say(`ratio of medians ${ratio} (goal: at most 1.10)`);
  return {
    program: measuredProgram,
    load: loadAverage(),
    throughTheApiMs: distribution(ours),
    bareMs: distribution(bare),
    ratioOfMedians: ratio,
    ratioOfMinima: round(distribution(ours).min / distribution(bare).min),
  };
}

async function bootOurs(
  host: BenchHost,
  watch: StateWatch,
  id: string,
): Promise<{ readonly readyMs: number; readonly bare: BareMachine; readonly uid: string; readonly id: string }> {
  const { connection, images } = host;
  const { kernel, root } = images;
  const ready = watch.when(id, "ready");
  const startedMs = performance.now();
  const response = await connection.microVms.createMicroVM({
    microvm: {
      id,
      namespace: "bench",
      vcpu: 1,
      memoryInMb: 256,
      kernel: { image: kernel.reference, filename: kernel.elfKernelPath },
      initrd: { image: kernel.reference, filename: kernel.initrdPath },
      rootVolume: { id: "root", source: { containerSource: root.reference } },
      interfaces: [{ deviceId: "eth1", type: 1 }],
    },
  });
  const readyMs = (await ready) - startedMs;
  const uid = response.microvm?.spec?.uid ?? "";
  const { microvm } = await connection.microVms.getMicroVM({ uid });
  const volumePath = microvm?.status?.volumes["root"]?.mount?.source ?? "";
  const directory = dirname(volumePath);
  const original: Original = {
    pid: pidOf(uid),
    directory,
    runDirectory: join(host.directory, "r", uid),
    volumePath,
    seedPath: join(directory, "seed.img"),
  };
  const bare = prepareBare(original, host.platform, join(host.directory, `bare-${id}`));
  const stopped = watch.when(id, "stopped");
  await connection.host.stopMicroVM({ uid, force: true });
  await stopped;
  return { readyMs, bare, uid, id };
}

function pidOf(uid: string): number {
  const found = execFileSync("pgrep", ["-f", `guest=lmvm\\.[0-9a-f]+\\.${uid}`], { encoding: "utf8" });
  return Number(found.trim().split("\n")[0]);
}
