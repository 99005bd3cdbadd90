/**
 * `kernel/6.1` without an initrd against `kernel/distro` with one: the same bare QEMU, the same root volume (base/tiny), one turn each, one after the
 * other. How long until the root volume's init runs and until the guest says that it is ready; what is left of its memory then.
 *
 * `kernel/6.1` is compiled first where it is not in the cache.
 */
import { copyFile, mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BuiltRecipe, buildRecipe } from "@liquidmetal/image-builder";
import { BareMachine, guestMac, prepareDisks, prepareSeed } from "../../tests/integration/image-builder-machine.ts";
import type { Benchmark } from "../main.ts";
import { distribution, round } from "../measure/distribution.ts";
import { loadAverage } from "../world/processes.ts";

const rounds = Number(process.env["BENCH_BOOTS"] ?? 5);
const guestMemoryMiB = 256;

interface Contender {
  readonly name: string;
  readonly recipe: string;
  /** The last thing that the kernel says before the root volume's init runs. */
  readonly initMark: RegExp;
}

const contenders: readonly Contender[] = [
  { name: "kernel61", recipe: "kernel/6.1", initMark: /Run \/sbin\/init as init process/ },
  // Its initrd has mounted the root volume and hands over: init's own start is not said, so this flatters it by a few milliseconds.
  { name: "distro", recipe: "kernel/distro", initMark: /EXT4-fs \(vda\): mounted/ },
];

interface Boot {
  readonly initMs: number;
  readonly readyMs: number;
  /** MemTotal - MemAvailable. */
  readonly usedKiB: number;
  /** The guest's memory less MemTotal: what the kernel keeps for itself. */
  readonly reservedKiB: number;
}

export const benchmark: Benchmark = {
  name: "kernels",
  summary: "kernel/6.1 without an initrd against kernel/distro with one",
  run: async (say) => {
    const directory = await mkdtemp(join(tmpdir(), "lm-bench-kernels-"));
    try {
      return await measure(directory, say);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  },
};

async function measure(directory: string, say: (line: string) => void): Promise<Record<string, unknown>> {
  const root = await buildRecipe({ recipe: "base/tiny" });
  const prepared: { readonly contender: Contender; readonly kernel: BuiltRecipe; readonly at: string }[] = [];
  for (const contender of contenders) {
    const kernel = await buildRecipe({ recipe: contender.recipe, onEvent: ({ text }) => say(text) });
    const at = await mkdtemp(join(directory, `${contender.name}-`));
    await prepareDisks({ kernel, root }, at);
    await copyFile(join(at, "root.img"), join(at, "pristine.img"));
    await prepareSeed(at, { "instance-id": "bench\n", hostname: "bench\n", network: `${guestMac} dhcp\n` });
    prepared.push({ contender, kernel, at });
  }
  const boots = new Map<string, Boot[]>(contenders.map(({ name }) => [name, []]));
  // The first turn warms the caches.
  for (let turn = -1; turn < rounds; turn++) {
    for (const { contender, kernel, at } of prepared) {
      const measured = await boot(contender, kernel, at);
      const { initMs, readyMs, usedKiB } = measured;
      say(`${contender.name}: init ${round(initMs)} ms, ready ${round(readyMs)} ms, ${usedKiB} KiB used`);
      if (turn >= 0) boots.get(contender.name)?.push(measured);
    }
  }
  const figures: Record<string, unknown> = { load: loadAverage(), guestMemoryMiB };
  for (const { contender, kernel, at } of prepared)
    figures[contender.name] = await summary(boots.get(contender.name) ?? [], kernel, at);
  return { ...figures, ...ratios(boots) };
}

async function boot({ initMark }: Contender, kernel: BuiltRecipe, directory: string): Promise<Boot> {
  for (const name of ["agent.sock", "qmp.sock"]) await rm(join(directory, name), { force: true });
  await copyFile(join(directory, "pristine.img"), join(directory, "root.img"));
  const { "dev.liquidmetal.kernel.elf.path": kernelPath = "", "dev.liquidmetal.initrd.path": initrdPath } =
    kernel.labels;
  await using machine = await BareMachine.start({ directory, kernelPath, initrdPath });
  const startedMs = performance.now();
  await machine.typeUntil("", initMark);
  const initMs = performance.now() - startedMs;
  const agent = await machine.agent();
  await agent.hear();
  const readyMs = performance.now() - startedMs;
  await machine.typeUntil("\n", /root@bench:.*# /);
  await machine.typeUntil("cat /proc/meminfo; echo that$((1 + 1))all\n", /that2all/);
  const field = (name: string): number => Number(new RegExp(`${name}: +(\\d+) kB`).exec(machine.console)?.[1]);
  const total = field("MemTotal");
  return { initMs, readyMs, usedKiB: total - field("MemAvailable"), reservedKiB: guestMemoryMiB * 1024 - total };
}

async function summary(boots: readonly Boot[], kernel: BuiltRecipe, at: string): Promise<Record<string, unknown>> {
  const size = async (path: string | undefined): Promise<number> =>
    path === undefined ? 0 : (await stat(join(at, "kernel", path))).size;
  const { labels } = kernel;
  return {
    release: labels["dev.liquidmetal.kernel.version"],
    initMs: distribution(boots.map(({ initMs }) => initMs)),
    readyMs: distribution(boots.map(({ readyMs }) => readyMs)),
    usedKiB: distribution(boots.map(({ usedKiB }) => usedKiB)).p50,
    reservedKiB: distribution(boots.map(({ reservedKiB }) => reservedKiB)).p50,
    elfBytes: await size(labels["dev.liquidmetal.kernel.elf.path"]),
    bzImageBytes: await size("boot/vmlinuz"),
    initrdBytes: await size(labels["dev.liquidmetal.initrd.path"]),
    imageBytes: kernel.sizeBytes,
  };
}

function ratios(boots: ReadonlyMap<string, readonly Boot[]>): Record<string, number> {
  const median = (name: string, key: keyof Boot): number =>
    distribution((boots.get(name) ?? []).map((one) => one[key])).p50;
  const ratio = (key: keyof Boot): number => round(median("kernel61", key) / median("distro", key));
  return {
    ratioOfInit: ratio("initMs"),
    ratioOfReady: ratio("readyMs"),
    ratioOfUsed: ratio("usedKiB"),
    ratioOfReserved: ratio("reservedKiB"),
  };
}
