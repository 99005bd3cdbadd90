/** The command line as a user has it: a release layout, started by its shell script, against a host with 100 microVMs. */
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createOne, StateWatch } from "./agent/lifecycle.ts";
import type { Benchmark } from "./main.ts";
import { distribution, round } from "./measure/distribution.ts";
import { cleanAll, onEnd } from "./world/cleanup.ts";
import { BenchHost } from "./world/host.ts";
import { loadAverage } from "./world/processes.ts";
import { measuredProgram } from "./world/program.ts";

const rounds = 15;
const microVms = 100;
const root = join(import.meta.dirname, "..");

export const benchmark: Benchmark = {
  name: "cli",
  summary: `lm vm list with ${microVms} microVMs, from a release build`,
  run: async (say) => {
    if (measuredProgram !== "release build") throw new Error("the release build is not current: run 'npm run build'");
    try {
      await using host = await BenchHost.start({ sleepingVmms: true, overcommit: true, say });
      await fill(host);
      return measure(host.socket, say);
    } finally {
      await cleanAll();
    }
  },
};

async function fill(host: BenchHost): Promise<void> {
  const { kernel, root: volume } = host.images;
  const images = { kernel: kernel.reference, kernelFile: kernel.elfKernelPath, root: volume.reference };
  await using watch = new StateWatch(host.connection.host);
  await watch.ready();
  const names = Array.from({ length: microVms }, (_, index) => `cli-${index}`);
  await Promise.all(names.map((name) => createOne(host.connection, watch, images, name)));
}

function measure(socket: string, say: (line: string) => void): Record<string, unknown> {
  const lm = join(releaseLayout(), "bin/lm");
  const commands: Readonly<Record<string, readonly string[]>> = {
    bareNode: [process.execPath, "-e", "0"],
    version: [lm, "version", "--client"],
    list: [lm, "vm", "list", "-A", "--host", `unix:${socket}`],
    listJson: [lm, "vm", "list", "-A", "-o", "json", "--host", `unix:${socket}`],
  };
  const samples: Record<string, number[]> = Object.fromEntries(Object.keys(commands).map((name) => [name, []]));
  // Taken in turn, so that what else the machine does falls on all alike.
  for (let turn = -2; turn < rounds; turn++) {
    for (const [name, command] of Object.entries(commands)) {
      const milliseconds = wallTime(command);
      if (turn >= 0) samples[name]?.push(milliseconds);
    }
  }
  const figures: Record<string, unknown> = { program: measuredProgram, microVms, load: loadAverage() };
  for (const [name, values] of Object.entries(samples)) {
    figures[name] = distribution(values);
    say(`${name.padEnd(10)} p50 ${distribution(values).p50} ms, max ${distribution(values).max} ms`);
  }
  const p50 = (name: string): number => distribution(samples[name] ?? []).p50;
  figures["listOverBareNode"] = round(p50("list") / p50("bareNode"));
  return figures;
}

function wallTime([program = "", ...args]: readonly string[]): number {
  const startedMs = performance.now();
  execFileSync(program, args, { stdio: ["ignore", "pipe", "inherit"], maxBuffer: 2 ** 26 });
  return performance.now() - startedMs;
}

/** As an installation has it: scripts and bundles, no sources. */
function releaseLayout(): string {
  const directory = mkdtempSync(join(tmpdir(), "lmb-release-"));
  onEnd(() => rmSync(directory, { recursive: true, force: true }));
  mkdirSync(join(directory, "bin"));
  copyFileSync(join(root, "bin/lm"), join(directory, "bin/lm"));
  for (const name of ["dist", "node_modules"]) symlinkSync(join(root, name), join(directory, name));
  return directory;
}
