/** A file of holes, from recipe to layer and to ext4, without the holes ever being written: for tests of several sizes. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, open, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { verifyImage } from "@liquidmetal/image-builder";
import { buildInChild } from "./image-builder-child.ts";
import { layerFiles, mounted } from "./image-builder-unpacked.ts";

const run = promisify(execFile);

/** In the empty folder `directory`, with a file of `size` bytes: at least 1 GiB. */
export async function checkSparseFile(directory: string, size: number): Promise<void> {
  const file = await open(join(directory, "disk.img"), "wx");
  await file.truncate(size);
  await file.write("the beginning", 0);
  await file.write("the middle", size / 2 + 12_345);
  await file.write("the end", size - 7);
  await file.close();
  await writeFile(
    join(directory, "recipe.yaml"),
    `name: test/sparse
title: Sparse
version: "1"
date: 2026-11-01
architectures: [amd64, arm64]
layers:
  - files:
      - {path: disk.img, source: disk.img}
`,
  );
  const request = { recipe: join(directory, "recipe.yaml"), cacheDirectory: join(directory, "cache") };
  const image = join(directory, "root.img");
  const built = await buildInChild(request, { outputs: [`ext4:${image}`] });
  assert.ok(built.sizeBytes < 5 * 2 ** 20, `${built.sizeBytes} bytes`);
  assert.ok(built.peakResidentMiB < 600, `${built.peakResidentMiB} MiB were resident`);
  assert.ok((await diskUsage(directory)) < 200 * 2 ** 20);
  await verifyImage(built.layout);
  await mkdir(join(directory, "mounted"));
  const [program = "", ...args] = mounted(image, join(directory, "mounted"));
  await run(program, [...args, "cmp", join(directory, "disk.img"), join(directory, "mounted/disk.img")]);
  // Unpacked by tar it would be written whole.
  const [layer] = await layerFiles(built.layout);
  const script = 'original=$1; shift; tar "$@" -xO disk.img | cmp - "$original"';
  const flags = [...(layer?.flags ?? []), "-f", layer?.file ?? ""];
  await run("sh", ["-c", script, "sh", join(directory, "disk.img"), ...flags]);
}

/** Of what is really on the disk. */
async function diskUsage(directory: string): Promise<number> {
  const { stdout } = await run("du", ["-s", "-B1", directory]);
  const blocks = (await stat(directory)).blocks;
  return Number(stdout.split("\t")[0]) - blocks * 512;
}
