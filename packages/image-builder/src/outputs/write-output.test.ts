import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { ImageLayout } from "../build/image-layout.ts";
import { writeLayer } from "../oci/layer.ts";
import { StoredLayout } from "../oci/stored-layout.ts";
import { verifyImage } from "../supply-chain/image-verification.ts";
import { FileTree } from "../tree/file-tree.ts";
import { writeOutput } from "./write-output.ts";

let directory = "";
let digest = "";
let layout = "";
const at = (name: string): string => join(directory, name);
const types = {
  manifest: "application/vnd.oci.image.manifest.v1+json",
  config: "application/vnd.oci.image.config.v1+json",
};

/** A layout as the builder writes it: two layers, one document attached. */
async function makeLayout(name: string, text: string): Promise<string> {
  const trees = [
    new FileTree().file("etc/a", text).file("gone", "x"),
    new FileTree().whiteout("gone").file("etc/b", "b"),
  ];
  const made = await ImageLayout.create(at(name));
  const layers = [];
  const diffIds = [];
  for (const [index, tree] of trees.entries()) {
    const layer = await writeLayer(tree, at(`${name}.${index}`), { epochSeconds: 1_700_000_000 });
    layers.push(await made.link(layer.file, layer));
    diffIds.push(layer.diffId);
  }
  const architecture = process.arch === "x64" ? "amd64" : process.arch;
  const platform = { architecture, os: "linux" };
  const config = await made.put(types.config, {
    ...platform,
    created: "2023-11-14T22:13:20Z",
    config: {},
    rootfs: { type: "layers", diff_ids: diffIds },
  });
  const base = { schemaVersion: 2, mediaType: types.manifest };
  const manifest = await made.put(types.manifest, { ...base, config, layers });
  const empty = await made.put("application/vnd.oci.empty.v1+json", {});
  const note = await made.put("text/plain", Buffer.from(`about ${text}`));
  const attached = await made.put(types.manifest, {
    ...base,
    artifactType: "text/plain",
    config: empty,
    layers: [note],
    subject: manifest,
  });
  const names = ["1", "latest"].map((tag) => ({ "io.containerd.image.name": `liquidmetal.local/${name}:${tag}` }));
  await made.finish([
    ...names.map((annotations) => ({ ...manifest, platform, annotations })),
    { ...attached, artifactType: "text/plain" },
  ]);
  return manifest.digest;
}

before(async () => {
  directory = await mkdtemp(join(tmpdir(), "lm-output-"));
  layout = at("image");
  digest = await makeLayout("image", "one");
});
after(() => rm(directory, { recursive: true }));

const names = async (path: string): Promise<readonly string[]> => (await StoredLayout.open(path)).references;

test("oci: a folder with everything in it, whole at once, and copies of the blobs", async () => {
  const told: number[] = [];
  const written = await writeOutput(layout, `oci:${at("out")}`, {
    onProgress: (done, total) => told.push(done / total),
  });
  assert.deepEqual([written.digest, told.at(-1)], [digest, 1]);
  const { manifests } = await verifyImage(at("out"));
  assert.deepEqual(
    manifests.map((one) => [one.digest, one.attached.length]),
    [[digest, 1]],
  );
  const blob = `blobs/${digest.replace(":", "/")}`;
  assert.notEqual((await stat(join(at("out"), blob))).ino, (await stat(join(layout, blob))).ino);
  assert.deepEqual(await names(at("out")), ["liquidmetal.local/image:1", "liquidmetal.local/image:latest"]);
});

test("oci: another image is added to a layout, and takes over its names there", async () => {
  const path = at("shared");
  await writeOutput(layout, `oci:${path}`, { references: ["example.org/a:1", "example.org/b:1"] });
  const other = await makeLayout("other", "two");
  await writeOutput(at("other"), `oci:${path}`, { references: ["example.org/b:1"] });
  await writeOutput(at("other"), `oci:${path}`, { references: ["example.org/b:1"] });
  const index = JSON.parse(await readFile(join(path, "index.json"), "utf8")) as {
    manifests: { digest: string; annotations?: Record<string, string> }[];
  };
  const named = index.manifests.map((one) => [one.annotations?.["org.opencontainers.image.ref.name"], one.digest]);
  assert.deepEqual(
    named.filter(([name]) => name !== undefined),
    [
      ["example.org/a:1", digest],
      ["example.org/b:1", other],
    ],
  );
  assert.equal(index.manifests.length, 4);
  await verifyImage(path);
  await assert.rejects(writeOutput(path, `oci-archive:${at("two.tar")}`), {
    code: "REQUEST_INVALID",
    message: /holds 2 images/,
  });
});

test("oci: with force beside what is there, of which nothing is touched", async () => {
  await mkdir(at("mine"));
  await writeFile(at("mine/precious"), "x");
  await assert.rejects(writeOutput(layout, `oci:${at("mine")}`), { code: "REQUEST_INVALID" });
  assert.deepEqual(await readdir(at("mine")), ["precious"]);
  await writeOutput(layout, `oci:${at("mine")}`, { force: true });
  assert.deepEqual((await readdir(at("mine"))).sort(), ["blobs", "index.json", "oci-layout", "precious"]);
});

test("oci-archive: the same bytes each time, and a source for other outputs", async () => {
  await writeOutput(layout, `oci-archive:${at("a.tar")}`);
  await writeOutput(layout, `oci-archive:${at("b.tar")}`);
  assert.deepEqual(await readFile(at("a.tar")), await readFile(at("b.tar")));
  await assert.rejects(writeOutput(layout, `oci-archive:${at("a.tar")}`), {
    code: "REQUEST_INVALID",
    message: /exists/,
  });
  await writeOutput(layout, `oci-archive:${at("a.tar")}`, { force: true });
  assert.equal((await writeOutput(at("a.tar"), `oci:${at("from-archive")}`)).digest, digest);
  await verifyImage(at("from-archive"));
});

test("ext4: the same bytes each time, from a folder or an archive", async () => {
  const sizeMiB = 32;
  const digestOfFile = async (name: string): Promise<string> =>
    createHash("sha256")
      .update(await readFile(at(name)))
      .digest("hex");
  await writeOutput(layout, `ext4:${at("root.img")}`, { sizeMiB });
  const { size, blocks } = await stat(at("root.img"));
  assert.equal(size, sizeMiB * 1024 * 1024);
  assert.ok(blocks * 512 < 2 * 1024 * 1024, `${blocks} blocks`);
  await writeOutput(layout, `oci-archive:${at("c.tar")}`);
  await writeOutput(at("c.tar"), `ext4:${at("root2.img")}`, { sizeMiB });
  assert.equal(await digestOfFile("root.img"), await digestOfFile("root2.img"));
  await assert.rejects(writeOutput(layout, `ext4:${at("small.img")}`, { sizeMiB: 1 }), {
    code: "REQUEST_INVALID",
    message: /needs \d+ MiB/,
  });
});

test("damage is found before anything has the output's name, and nothing is left behind", async () => {
  await makeLayout("damaged", "three");
  const stored = await StoredLayout.open(at("damaged"));
  const layer = stored.image.document.blobs.at(-1);
  const file = join(at("damaged"), `blobs/${layer?.digest.replace(":", "/")}`);
  const bytes = await readFile(file);
  await rm(file);
  const entries = (await readdir(directory)).length;
  const outputs = ["oci", "oci-archive", "ext4"].map((kind) => `${kind}:${at(`broken-${kind}`)}`);
  for (const content of [Buffer.from(bytes).fill(7, 20), bytes.subarray(1), undefined]) {
    if (content === undefined) await rm(file);
    else await writeFile(file, content);
    for (const output of outputs)
      await assert.rejects(writeOutput(at("damaged"), output), { code: "IMAGE_CORRUPT" }, output);
  }
  assert.equal((await readdir(directory)).length, entries);
});

test("a cancelled output leaves nothing behind", async () => {
  const entries = (await readdir(directory)).sort();
  for (const kind of ["oci", "oci-archive", "ext4"]) {
    const signal = AbortSignal.abort(new Error("enough"));
    await assert.rejects(writeOutput(layout, `${kind}:${at("never")}`, { signal }), /enough|abort/i);
  }
  assert.deepEqual((await readdir(directory)).sort(), entries);
});

test("no layout, and a layout without an image, are said so", async () => {
  for (const path of [at("nowhere"), directory]) {
    await assert.rejects(writeOutput(path, `oci:${at("x")}`), {
      code: "IMAGE_NOT_FOUND",
      message: /no OCI image layout/,
    });
  }
  const empty = await ImageLayout.create(at("no-image"));
  await empty.finish([]);
  await assert.rejects(writeOutput(at("no-image"), `oci:${at("x")}`), {
    code: "IMAGE_NOT_FOUND",
    message: /without an image/,
  });
});
