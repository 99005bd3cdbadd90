/**
 * `npm run bench [-- NAME…]`: side-by-side benchmarks. Each compares in one run, reports ratios and percentiles, and writes
 * `bench/results/NAME.json`. Absolute times mean little on shared machines. Nothing here is part of the tests.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { cpus, totalmem } from "node:os";
import { join } from "node:path";

export interface Benchmark {
  readonly name: string;
  readonly summary: string;
  run(say: (line: string) => void): Promise<Readonly<Record<string, unknown>>>;
}

const benchmarks: Readonly<Record<string, () => Promise<{ benchmark: Benchmark }>>> = {
  agent: () => import("./agent.ts"),
  boot: () => import("./boot.ts"),
  capmvm: () => import("./capmvm.ts"),
  cli: () => import("./cli.ts"),
  images: () => import("./images.ts"),
  kernels: () => import("./images/kernels.ts"),
  placement: () => import("./placement.ts"),
};

const names = process.argv.slice(2);
const unknown = names.filter((name) => !(name in benchmarks));
if (unknown.length > 0) {
  process.stderr.write(`no such benchmark: ${unknown.join(", ")}; there are: ${Object.keys(benchmarks).join(", ")}\n`);
  process.exit(2);
}
const results = join(import.meta.dirname, "results");
await mkdir(results, { recursive: true });
const machine = {
  processors: cpus().length,
  processor: cpus()[0]?.model,
  memoryMiB: Math.round(totalmem() / 2 ** 20),
  node: process.version,
};
for (const [name, load] of Object.entries(benchmarks)) {
  if (names.length > 0 && !names.includes(name)) continue;
  const { benchmark } = await load();
  process.stderr.write(`── ${name}: ${benchmark.summary}\n`);
  const figures = await benchmark.run((line) => process.stderr.write(`   ${line}\n`));
  const file = join(results, `${name}.json`);
  await writeFile(file, `${JSON.stringify({ name, at: new Date().toISOString(), machine, figures }, undefined, 2)}\n`);
  process.stdout.write(`${JSON.stringify({ name, figures })}\n`);
}
