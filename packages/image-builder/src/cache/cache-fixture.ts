/** A cache in a folder of its own, with entries made of a few bytes, for tests. */
import { createHash } from "node:crypto";
import { link, mkdir, mkdtemp, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type CacheFolders, cacheFolders } from "./cache-folders.ts";
import { EntryStore } from "./entry-store.ts";
import { Lease } from "./lease.ts";
import { blobName, type ImageRecord, imageEntry, type LayerRecord, layerEntry, layoutName } from "./records.ts";

export interface TestCache extends AsyncDisposable {
  readonly folders: CacheFolders;
  lease(): Promise<Lease>;
}

export async function testCache(): Promise<TestCache> {
  const root = await mkdtemp(join(tmpdir(), "lm-cache-"));
  const leases: Lease[] = [];
  return {
    folders: cacheFolders(root),
    async lease() {
      const lease = await Lease.open(cacheFolders(root));
      leases.push(lease);
      return lease;
    },
    async [Symbol.asyncDispose]() {
      for (const lease of leases) await lease.end();
      await rm(root, { recursive: true, force: true });
    },
  };
}

const digestOf = (bytes: string): string => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

export function layerRecord(key: string, blob: string): LayerRecord {
  const digest = digestOf(blob);
  return {
    ...{ key, recipe: "test/one", name: "files", kind: "files", digest, diffId: digest, sizeBytes: blob.length },
    mediaType: "application/vnd.oci.image.layer.v1.tar+zstd",
    ...{ software: [], inputs: [], facts: {}, links: [], implied: [] },
  };
}

export const layersOf = (lease: Lease): EntryStore<LayerRecord> => new EntryStore(layerEntry, lease);

/** Stages a layer as a build does. */
export async function stageLayer(lease: Lease, key: string, blob: string): Promise<string> {
  const staged = await lease.newDirectory();
  await writeFile(join(staged, blobName), blob);
  await writeFile(join(staged, layerEntry.recordName), JSON.stringify(layerRecord(key, blob)));
  return staged;
}

/** A kept layer, last used so many seconds ago. */
export async function keepLayer(lease: Lease, key: string, blob: string, secondsAgo: number = 0): Promise<void> {
  await layersOf(lease).publish(await stageLayer(lease, key, blob), key);
  await age(join(lease.folders.layers, key, layerEntry.recordName), secondsAgo);
}

/** A kept image whose only blob is that of a layer. */
export async function keepImage(
  lease: Lease,
  key: string,
  layer: string,
  blob: string,
  secondsAgo: number,
): Promise<void> {
  const staged = await lease.newDirectory();
  const digest = digestOf(blob);
  await mkdir(join(staged, layoutName, "blobs/sha256"), { recursive: true });
  await link(join(lease.folders.layers, layer, blobName), join(staged, layoutName, "blobs", digest.replace(":", "/")));
  const record: ImageRecord = {
    ...{ key, recipe: "test/one", references: ["liquidmetal.local/test/one:1"], digest, sizeBytes: blob.length },
    manifests: [{ architecture: "amd64", digest, labels: {}, layerKeys: [layer] }],
    ...{ software: [], inputs: [], blobs: [{ digest, sizeBytes: blob.length }] },
  };
  await writeFile(join(staged, imageEntry.recordName), JSON.stringify(record));
  await new EntryStore(imageEntry, lease).publish(staged, key);
  await age(join(lease.folders.images, key, imageEntry.recordName), secondsAgo);
}

async function age(file: string, secondsAgo: number): Promise<void> {
  const then = Date.now() / 1000 - secondsAgo;
  await utimes(file, then, then);
}
