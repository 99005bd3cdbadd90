import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, open, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { FileTree } from "../tree/file-tree.ts";
import { unpackLayer, writeLayer } from "./layer.ts";
import { treeOfTar } from "./layer-tree.ts";

let directory = "";
before(async () => {
  directory = await mkdtemp(join(tmpdir(), "lm-layer-"));
});
after(() => rm(directory, { recursive: true }));

const epochSeconds = 1_700_000_000;
const at = (name: string): string => join(directory, name);

for (const compression of ["zstd", "gzip"] as const) {
  test(`${compression}: the blob unpacks to the tar that its diff id names, and to the same tree`, async () => {
    const tree = new FileTree().file("a", "text".repeat(10_000)).symlink("b", "a");
    const layer = await writeLayer(tree, at(compression), { epochSeconds, compression });
    const blob = await readFile(layer.file);
    assert.deepEqual(
      [layer.sizeBytes, layer.digest],
      [blob.length, `sha256:${createHash("sha256").update(blob).digest("hex")}`],
    );
    const tar = at(`${compression}.tar`);
    assert.deepEqual(await unpackLayer(layer.file, tar, { diffId: layer.diffId }), { diffId: layer.diffId });
    const again = await writeLayer(await treeOfTar(tar), at(`${compression}-again`), { epochSeconds, compression });
    assert.equal(again.digest, layer.digest);
    await assert.rejects(unpackLayer(layer.file, at(`${compression}-small`), { maxBytes: 1000 }), {
      code: "IMAGE_CORRUPT",
      message: /more than 1000 bytes/,
    });
    await assert.rejects(unpackLayer(layer.file, at(`${compression}-other`), { diffId: `sha256:${"0".repeat(64)}` }), {
      code: "IMAGE_CORRUPT",
      message: /configuration says sha256:000/,
    });
    await writeFile(at(`${compression}-cut`), blob.subarray(0, blob.length - 20));
    await assert.rejects(unpackLayer(at(`${compression}-cut`), at(`${compression}-cut.tar`)), {
      code: "IMAGE_CORRUPT",
      message: /not whole/,
    });
    const broken = Buffer.from(blob).fill(0x55, 12, 40);
    await writeFile(at(`${compression}-broken`), broken);
    await assert.rejects(unpackLayer(at(`${compression}-broken`), at(`${compression}-broken.tar`)), {
      code: "IMAGE_CORRUPT",
    });
  });
}

test("directories that a layer only implies are packed as they are below", async () => {
  const below = new FileTree().directory("tmp", { mode: 0o1777, uid: 5 });
  const layer = await writeLayer(new FileTree().file("tmp/x", "1"), at("implied"), { epochSeconds, below });
  await unpackLayer(layer.file, at("implied.tar"));
  const tmp = (await treeOfTar(at("implied.tar"))).get("tmp");
  assert.deepEqual([tmp?.mode, tmp?.uid], [0o1777, 5]);
});

test("a sparse file costs neither disk nor memory: its zeros pack to nothing and unpack to holes", async () => {
  const sizeBytes = 256 * 1024 * 1024;
  const sparse = await open(at("sparse"), "wx");
  await sparse.truncate(sizeBytes);
  await sparse.write(Buffer.from("data in the middle"), 0, 18, 128 * 1024 * 1024);
  await sparse.close();
  const tree = new FileTree().file("disk.img", { file: at("sparse"), sizeBytes });
  const before = process.memoryUsage().rss;
  const layer = await writeLayer(tree, at("sparse.layer"), { epochSeconds });
  assert.ok(layer.sizeBytes < 200_000, `${layer.sizeBytes} bytes`);
  await unpackLayer(layer.file, at("sparse.tar"), { diffId: layer.diffId });
  const { size, blocks } = await stat(at("sparse.tar"));
  assert.ok(size > sizeBytes && blocks * 512 < 1_000_000, `${size} bytes in ${blocks} blocks`);
  assert.ok(process.memoryUsage().rss - before < 150 * 1024 * 1024);
});

test("a cancelled packing stops", async () => {
  const controller = new AbortController();
  const tree = new FileTree();
  for (let one = 0; one < 2_000; one += 1) tree.file(`f${one}`, { bytes: Buffer.alloc(4096) });
  let packed = 0;
  const onEntry = (): void => {
    if (++packed === 300) controller.abort();
  };
  await assert.rejects(writeLayer(tree, at("cancelled"), { epochSeconds, onEntry, signal: controller.signal }), {
    name: "AbortError",
  });
  assert.ok(packed < 500, `${packed} entries`);
});
