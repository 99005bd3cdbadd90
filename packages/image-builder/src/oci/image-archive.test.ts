import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { after, before, test } from "node:test";
import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { extract } from "tar-stream";
import { FileTree } from "../tree/file-tree.ts";
import { type ImageDescription, writeImageArchive } from "./image-archive.ts";
import { type LayerCompression, writeLayer } from "./layer.ts";

let directory = "";
before(async () => {
  directory = await mkdtemp(join(tmpdir(), "lm-oci-"));
});
after(() => rm(directory, { recursive: true }));

const description: ImageDescription = {
  references: ["liquidmetal.local/test:1", "liquidmetal.local/test:latest"],
  architecture: "amd64",
  epochSeconds: 1_700_000_000,
  labels: { "org.opencontainers.image.title": "Test", "dev.liquidmetal.kernel.path": "boot/vmlinuz" },
  command: ["/sbin/init"],
  history: ["test"],
};

async function write(
  name: string,
  compression: LayerCompression,
): Promise<{ files: Map<string, Buffer>; digest: string }> {
  const tree = new FileTree().file("boot/vmlinuz", "kernel".repeat(1000));
  const layer = await writeLayer(tree, join(directory, `${name}.layer`), { epochSeconds: 1_700_000_000, compression });
  const archivePath = join(directory, `${name}.tar`);
  const { digest, sizeBytes } = await writeImageArchive(archivePath, [layer], description);
  const archive = await readFile(archivePath);
  assert.equal(archive.length, sizeBytes);
  const files = new Map<string, Buffer>();
  const parser = extract();
  Readable.from([archive]).pipe(parser as unknown as NodeJS.WritableStream);
  for await (const entry of parser) files.set(entry.header.name, await buffer(entry));
  return { files, digest };
}

const sha256 = (bytes: Buffer): string => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

for (const compression of ["zstd", "gzip"] as const) {
  test(`every digest and size in a layout with ${compression} layers is true`, async () => {
    const { files, digest } = await write(compression, compression);
    const blob = (of: { digest: string; size: number }): Buffer => {
      const bytes = files.get(`blobs/${of.digest.replace(":", "/")}`) ?? assert.fail(`no blob ${of.digest}`);
      assert.deepEqual([sha256(bytes), bytes.length], [of.digest, of.size]);
      return bytes;
    };
    assert.deepEqual(JSON.parse(String(files.get("oci-layout"))), { imageLayoutVersion: "1.0.0" });
    const index = JSON.parse(String(files.get("index.json")));
    const names = index.manifests.map(
      (one: { annotations: Record<string, string> }) => one.annotations["io.containerd.image.name"],
    );
    assert.deepEqual(names, description.references);
    assert.equal(index.manifests[0].digest, digest);
    const manifest = JSON.parse(String(blob(index.manifests[0])));
    assert.deepEqual(manifest.annotations, { "org.opencontainers.image.title": "Test" });
    const config = JSON.parse(String(blob(manifest.config)));
    assert.deepEqual(config.config.Labels, description.labels);
    assert.equal(config.created, "2023-11-14T22:13:20Z");
    const packed = blob(manifest.layers[0]);
    const tar = compression === "zstd" ? zstdDecompressSync(packed) : gunzipSync(packed);
    assert.deepEqual(config.rootfs.diff_ids, [sha256(tar)]);
  });
}

test("the same tree and description give the same archive", async () => {
  const [one, other] = [await write("one", "zstd"), await write("other", "zstd")];
  assert.deepEqual(one, other);
});

test("an existing file is not overwritten", async () => {
  await write("there", "zstd");
  await assert.rejects(writeImageArchive(join(directory, "there.tar"), [], description), { code: "EEXIST" });
});
