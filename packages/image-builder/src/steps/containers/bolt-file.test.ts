import assert from "node:assert/strict";
import { test } from "node:test";
import { BoltBucket, boltFile } from "./bolt-file.ts";
import { metadataDatabase, type StoredImage, type StoredSnapshot, snapshotDatabase } from "./containerd-metadata.ts";

type Read = { [key: string]: Read | string };

/** What bbolt would read: only what the file says, page by page. */
function read(file: Buffer): Read {
  const meta = file.subarray(4096 + 16);
  assert.equal(meta.readUInt32LE(0), 0xed0cdaed, "the magic of the second meta page");
  assert.equal(Number(meta.readBigUInt64LE(40)) * 4096, file.length, "every page is counted");
  return leaf(file, file.subarray(Number(meta.readBigUInt64LE(16)) * 4096));
}

function leaf(file: Buffer, page: Buffer): Read {
  assert.equal(page.readUInt16LE(8), 2, "a leaf page");
  const found: Read = {};
  let before = Buffer.alloc(0);
  for (let index = 0; index < page.readUInt16LE(10); index += 1) {
    const element = page.subarray(16 + index * 16);
    const [flags, position, keyBytes, valueBytes] = [0, 4, 8, 12].map((at) => element.readUInt32LE(at)) as [
      number,
      number,
      number,
      number,
    ];
    const key = element.subarray(position, position + keyBytes);
    const value = element.subarray(position + keyBytes, position + keyBytes + valueBytes);
    assert.ok(Buffer.compare(before, key) < 0, "keys are in order");
    before = Buffer.from(key);
    found[key.toString("latin1")] = flags === 1 ? bucket(file, value) : value.toString("latin1");
  }
  return found;
}

function bucket(file: Buffer, value: Buffer): Read {
  const root = Number(value.readBigUInt64LE(0));
  return leaf(file, root === 0 ? value.subarray(16) : file.subarray(root * 4096));
}

test("buckets, nested, inline and longer than a page, are read back", () => {
  const root = new BoltBucket();
  const long = "x".repeat(10_000);
  root.bucket("b").put("second", "2").put("first", "1");
  root.bucket("a").bucket("inner").put("k", long);
  const many = root.bucket("c");
  for (let number = 0; number < 1_000; number += 1) many.put(`key-${String(number).padStart(4, "0")}`, "v".repeat(50));
  const found = read(boltFile(root));
  assert.deepEqual(found["b"], { first: "1", second: "2" });
  assert.deepEqual(found["a"], { inner: { k: long } });
  assert.equal(Object.keys(found["c"] as Read).length, 1_000);
});

test("a key that is there twice is refused", () => {
  const bucket = new BoltBucket().put("k", "1");
  assert.throws(() => bucket.put("k", "2"), /twice/);
  assert.throws(() => bucket.put("", "2"), /empty/);
});

const blob = (letter: string): StoredImage["manifest"] => ({
  digest: `sha256:${letter.repeat(64)}`,
  mediaType: "application/x",
  sizeBytes: 300,
});
const image = (name: string, letters: string, pinned = true): StoredImage => ({
  name,
  pinned,
  manifest: blob(letters[0] ?? ""),
  config: blob(letters[1] ?? ""),
  chainId: blob(letters[2] ?? "").digest,
});
const snapshot = (letter: string, id: number, more: Partial<StoredSnapshot> = {}): StoredSnapshot => ({
  chainId: blob(letter).digest,
  id,
  stacked: true,
  usage: { inodes: 3, sizeBytes: 8192 },
  ...more,
});

test("the databases do not depend on the order of the images, and are the same twice", () => {
  const images = [image("a:1", "abc"), image("b:1", "def")];
  const snapshots = [snapshot("c", 1), snapshot("f", 2)];
  const turned = { images: images.toReversed(), snapshots: snapshots.toReversed() };
  assert.deepEqual(metadataDatabase({ images, snapshots }, 1_700_000_000), metadataDatabase(turned, 1_700_000_000));
  assert.deepEqual(snapshotDatabase(snapshots, 1_700_000_000), snapshotDatabase(turned.snapshots, 1_700_000_000));
});

test("an image is known by its name and by its id, as the CRI plug-in would have it", () => {
  const stored = { images: [image("a:1", "abc"), image("b:1", "abc", false)], snapshots: [snapshot("c", 1)] };
  const found = read(metadataDatabase(stored, 0)) as { v1: Read };
  const space = found.v1["k8s.io"] as { images: Read; content: { blob: Read }; snapshots: { overlayfs: Read } };
  assert.deepEqual(Object.keys(space.images), ["a:1", "b:1", blob("b").digest]);
  const labels = (name: string): unknown => (space.images[name] as Read)["labels"];
  assert.deepEqual(labels("a:1"), { "io.cri-containerd.image": "managed", "io.cri-containerd.pinned": "pinned" });
  assert.deepEqual(labels("b:1"), { "io.cri-containerd.image": "managed" });
  assert.deepEqual((space.content.blob[blob("b").digest] as Read)["labels"], {
    "containerd.io/gc.ref.snapshot.overlayfs": blob("c").digest,
  });
  assert.equal((space.snapshots.overlayfs[blob("c").digest] as Read)["name"], `k8s.io/1/${blob("c").digest}`);
});

test("a layer lies on the one below it; one that holds everything itself is kept together with it, and lies on nothing", () => {
  const [lower, upper, whole] = [blob("a").digest, blob("b").digest, blob("c").digest];
  const snapshots = [
    snapshot("a", 1),
    snapshot("b", 2, { parent: lower }),
    snapshot("c", 3, { parent: upper, stacked: false }),
  ];
  const known = read(metadataDatabase({ images: [], snapshots }, 0)) as {
    v1: { "k8s.io": { snapshots: { overlayfs: Read } } };
  };
  const { overlayfs } = known.v1["k8s.io"].snapshots;
  assert.deepEqual((overlayfs[lower] as Read)["children"], { [upper]: "" });
  assert.equal((overlayfs[whole] as Read)["parent"], upper);
  const laid = read(snapshotDatabase(snapshots, 0)) as { v1: { parents: Read; snapshots: Read } };
  assert.deepEqual(laid.v1.parents, { "\x01\0\x02": `k8s.io/2/${upper}` });
  assert.equal((laid.v1.snapshots[`k8s.io/2/${upper}`] as Read)["parent"], `k8s.io/1/${lower}`);
  assert.equal((laid.v1.snapshots[`k8s.io/3/${whole}`] as Read)["parent"], undefined);
});
