/** What every block store keeps to, real or fake. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { unwrap } from "@liquidmetal/foundation";
import type { BlockStore, MadeVolume, ResolvedImage, VolumeRequest } from "@liquidmetal/microvm";

export interface BlockStoreWorld {
  readonly store: BlockStore;
  readonly image: ResolvedImage;
  /** An empty directory of a microVM. */
  readonly directory: (owner: string) => Promise<string>;
  /** Volumes made at once in the crowd test. Default 200. */
  readonly crowd?: number;
  /** False for stores whose volumes have one fixed size. Default true. */
  readonly sizes?: boolean;
  readonly close: () => Promise<void>;
}

export function blockStoreConformance(
  name: string,
  open: () => Promise<BlockStoreWorld>,
  skip: string | false = false,
): void {
  describe(`block store: ${name}`, { skip, timeout: 120_000 }, () => {
    let world: BlockStoreWorld;
    let counter = 0;
    before(async () => {
      world = await open();
    });
    after(async () => {
      await world?.close();
    });

    const request = async (changes: Partial<VolumeRequest> = {}): Promise<VolumeRequest> => {
      const owner = changes.owner ?? `uid-${counter++}`;
      const directory = await world.directory(owner);
      return {
        owner,
        volumeId: "root",
        directory,
        image: world.image,
        readOnly: false,
        formats: ["qcow2", "raw"],
        ...changes,
      };
    };
    const release = async (volume: MadeVolume, owner: string): Promise<void> =>
      unwrap(await world.store.release(volume, owner));

    test("makes a volume, the same one when asked again, and lets it go", async () => {
      const wanted = await request();
      const volume = unwrap(await world.store.create(wanted));
      assert.equal(volume.id, "root");
      assert.equal(volume.kind, "block");
      assert.equal(volume.imageDigest, world.image.digest);
      assert.ok(volume.sizeBytes > 0);
      assert.equal(await world.store.exists(volume), true);
      assert.deepEqual(unwrap(await world.store.create(wanted)), volume);
      await release(volume, wanted.owner);
      assert.equal(await world.store.exists(volume), false);
      await release(volume, wanted.owner);
    });

    test("gives every owner and every volume id its own", async () => {
      const [one, two] = [await request(), await request()];
      const volumes = [
        unwrap(await world.store.create(one)),
        unwrap(await world.store.create(two)),
        unwrap(await world.store.create({ ...one, volumeId: "data" })),
      ];
      assert.equal(new Set(volumes.map((volume) => volume.path)).size, 3);
      for (const [index, volume] of volumes.entries()) await release(volume, index === 1 ? two.owner : one.owner);
    });

    test("honours the size", async (context) => {
      if (world.sizes === false) return context.skip("this store's volumes have one size");
      const sizeBytes = 768 * 1024 * 1024;
      const wanted = await request({ sizeBytes });
      const volume = unwrap(await world.store.create(wanted));
      assert.equal(volume.sizeBytes, sizeBytes);
      await release(volume, wanted.owner);
    });

    test("refuses what the image does not fit into, with numbers", async (context) => {
      if (world.sizes === false) return context.skip("this store's volumes have one size");
      const result = await world.store.create(await request({ sizeBytes: 4096 }));
      assert.ok(!result.ok);
      assert.equal(result.error.code, "VOLUME_FAILED");
      assert.equal(result.error.retry, "after-change");
      assert.match(result.error.message, /\d/);
    });

    test("refuses what would fill the disk, and promises nothing then", async (context) => {
      if (world.sizes === false) return context.skip("this store's volumes have one size");
      const before = unwrap(await world.store.usage());
      const wanted = await request({ sizeBytes: before.totalBytes * 2 });
      const result = await world.store.create(wanted);
      assert.equal(result.ok ? "made" : result.error.code, "DISK_FULL");
      assert.equal(unwrap(await world.store.usage()).promisedBytes, before.promisedBytes);
    });

    test("read-only volumes are read-only, and releasing one leaves the others", async () => {
      const [one, two] = [await request({ readOnly: true }), await request({ readOnly: true })];
      const first = unwrap(await world.store.create(one));
      const second = unwrap(await world.store.create(two));
      assert.equal(first.readOnly, true);
      await release(first, one.owner);
      assert.equal(await world.store.exists(second), true);
      await release(second, two.owner);
    });

    test("keeps to the formats that the hypervisor reads", async () => {
      const wanted = await request({ formats: ["raw"] });
      const volume = unwrap(await world.store.create(wanted));
      assert.equal(volume.format, "raw");
      await release(volume, wanted.owner);
    });

    test("serves a crowd", async () => {
      const requests = await Promise.all(Array.from({ length: world.crowd ?? 200 }, () => request()));
      const volumes = await Promise.all(requests.map(async (one) => unwrap(await world.store.create(one))));
      assert.equal(new Set(volumes.map((volume) => volume.path)).size, requests.length);
      await Promise.all(volumes.map((volume, index) => release(volume, requests[index]?.owner ?? "")));
    });

    test("pruning leaves what is used", async () => {
      const wanted = await request();
      const volume = unwrap(await world.store.create(wanted));
      unwrap(await world.store.prune(() => false));
      assert.equal(await world.store.exists(volume), true);
      await release(volume, wanted.owner);
      unwrap(await world.store.prune(() => false));
      const again = unwrap(await world.store.create(wanted));
      await release(again, wanted.owner);
    });

    test("a call that was cancelled before it began makes nothing", async () => {
      const wanted = await request();
      const result = await world.store.create(wanted, { signal: AbortSignal.abort() });
      assert.equal(result.ok ? "made" : result.error.code, "CANCELLED");
    });
  });
}
