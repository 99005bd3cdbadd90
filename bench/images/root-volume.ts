/** A root volume from a tree of 217 MB in 10,000 files, against `mke2fs -d` and reading the same tree once for its digest. */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { distribution, round } from "../measure/distribution.ts";
import { buildOnce, rounds, type Say, workFolder } from "./building.ts";
import { generateTree, type TreeSize } from "./generated-tree.ts";
import { sum, type Took, timed } from "./timed-command.ts";

/** `BENCH_IMAGES_SCALE=0.1` for a quick look. */
const scale = Number(process.env["BENCH_IMAGES_SCALE"] ?? 1);
export const treeSize: TreeSize = { files: Math.round(10_000 * scale), bytes: Math.round(217e6 * scale) };

export const treeRecipe = (compression: "zstd" | "gzip" = "zstd"): string => `name: bench/tree
title: Generated tree
version: "1"
date: 2026-11-01
architectures: [amd64, arm64]
compression: ${compression}
layers:
  - files:
      - {path: srv/tree, source: tree}
  - name: note
    files:
      - {path: etc/note, source: note}
`;

type Contestant = "mke2fs" | "sha256sum" | "ext4" | "oci";

export async function measureRootVolume(say: Say): Promise<Record<string, unknown>> {
  const folder = workFolder();
  mkdirSync(join(folder, "tree"));
  generateTree(join(folder, "tree"), treeSize);
  writeFileSync(join(folder, "note"), "0");
  const recipe = join(folder, "recipe.yaml");
  writeFileSync(recipe, treeRecipe());
  const took: Record<Contestant, Took[]> = { mke2fs: [], sha256sum: [], ext4: [], oci: [] };
  // In turn, so that what else the machine does falls on all alike; the first turn brings the tree into the page cache.
  for (let turn = -1; turn < rounds; turn += 1) {
    const out = join(folder, "out");
    const cacheDirectory = join(folder, "cache");
    for (const contestant of Object.keys(took) as Contestant[]) {
      for (const path of [out, cacheDirectory]) rmSync(path, { recursive: true, force: true });
      const one = await race(contestant, { tree: join(folder, "tree"), recipe, out, cacheDirectory });
      if (turn >= 0) took[contestant].push(one);
      say(
        `${turn < 0 ? "warm-up" : `turn ${turn + 1}`}: ${contestant} ${round(one.wallMs)} ms, ${one.cpuMs.toFixed(0)} ms of processor`,
      );
    }
  }
  return { tree: treeSize, ...compare(took, say) };
}

interface Place {
  readonly tree: string;
  readonly recipe: string;
  readonly out: string;
  readonly cacheDirectory: string;
}

function race(contestant: Contestant, { tree, recipe, out, cacheDirectory }: Place): Promise<Took> {
  switch (contestant) {
    case "mke2fs": {
      const mebibytes = Math.ceil((treeSize.bytes / 2 ** 20) * 1.3 + 64);
      return timed(["mke2fs", "-q", "-t", "ext4", "-d", tree, out, `${mebibytes}M`]);
    }
    case "sha256sum":
      return timed(["sh", "-c", 'find "$1" -type f -print0 | sort -z | xargs -0 sha256sum >/dev/null', "sh", tree]);
    case "ext4":
    case "oci":
      return buildOnce({ request: { recipe, cacheDirectory }, outputs: [`${contestant}:${out}`] });
    default: {
      const never: never = contestant;
      return never;
    }
  }
}

function compare(took: Readonly<Record<Contestant, readonly Took[]>>, say: Say): Record<string, unknown> {
  const baseline = took.mke2fs.map((one, turn) => sum(one, took.sha256sum[turn] ?? one));
  const median = (all: readonly Took[], what: keyof Took): number => distribution(all.map((one) => one[what])).p50;
  const ratio = (ours: "ext4" | "oci", what: keyof Took): number =>
    round(median(took[ours], what) / median(baseline, what));
  for (const ours of ["ext4", "oci"] as const) {
    say(
      `${ours}: ${ratio(ours, "wallMs")} of mke2fs and sha256sum together (goal: at most 1.3); processor time ${ratio(ours, "cpuMs")}`,
    );
  }
  const both = (all: readonly Took[]): unknown => ({
    wallMs: distribution(all.map(({ wallMs }) => wallMs)),
    cpuMs: distribution(all.map(({ cpuMs }) => cpuMs)),
  });
  return {
    ...Object.fromEntries(Object.entries(took).map(([name, all]) => [name, both(all)])),
    mke2fsAndSha256sum: both(baseline),
    ratios: {
      ext4: { wall: ratio("ext4", "wallMs"), processor: ratio("ext4", "cpuMs") },
      oci: { wall: ratio("oci", "wallMs"), processor: ratio("oci", "cpuMs") },
    },
  };
}
