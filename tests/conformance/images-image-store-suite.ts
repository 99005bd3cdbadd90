/** What every image store keeps to, real or fake. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { unwrap } from "@liquidmetal/foundation";
import type { ImageStore } from "@liquidmetal/microvm";

export interface ImageStoreWorld {
  readonly store: ImageStore;
  /** References that can be pulled. */
  readonly references: readonly [string, string];
  /** One that nobody has. */
  readonly missing: string;
  /** An archive that can be imported. */
  readonly archive: () => AsyncIterable<Uint8Array>;
  readonly close: () => Promise<void>;
}

export function imageStoreConformance(
  name: string,
  open: () => Promise<ImageStoreWorld>,
  skip: string | false = false,
): void {
  describe(`image store: ${name}`, { skip, timeout: 60_000 }, () => {
    let world: ImageStoreWorld;
    before(async () => {
      world = await open();
    });
    after(async () => {
      await world?.close();
    });

    test("answers a ping", async () => {
      assert.ok(unwrap(await world.store.ping()).version.length > 0);
    });

    test("ensures an image for many owners, and knows them until they let go", async () => {
      const [reference] = world.references;
      const owners = Array.from({ length: 10 }, (_, index) => `uid-${index}`);
      const images = await Promise.all(owners.map(async (owner) => unwrap(await world.store.ensure(reference, owner))));
      for (const image of images) assert.deepEqual(image, images[0]);
      assert.match(images[0]?.digest ?? "", /^sha256:[0-9a-f]{64}$/);
      assert.match(images[0]?.chainId ?? "", /^sha256:[0-9a-f]{64}$/);
      assert.deepEqual(unwrap(await world.store.holders()), owners.toSorted());
      for (const owner of owners) unwrap(await world.store.release(owner));
      unwrap(await world.store.release("uid-0"));
      assert.deepEqual(unwrap(await world.store.holders()), []);
    });

    test("pulls, lists, inspects, removes", async () => {
      const [, reference] = world.references;
      const seen: number[] = [];
      const pulled = unwrap(await world.store.pull(reference, { onProgress: ({ doneBytes }) => seen.push(doneBytes) }));
      assert.ok(seen.length > 0);
      assert.deepEqual(unwrap(await world.store.inspect(reference)), pulled);
      assert.ok(unwrap(await world.store.list()).some((one) => one.reference === pulled.reference));
      unwrap(await world.store.remove(reference));
      for (const result of [await world.store.inspect(reference), await world.store.remove(reference)]) {
        assert.equal(result.ok ? "there" : result.error.code, "IMAGE_NOT_FOUND");
      }
    });

    test("imports under the name it is given", async () => {
      const [info] = unwrap(await world.store.import(world.archive(), { reference: "example.org/imported:1" }));
      assert.equal(info?.reference, "example.org/imported:1");
      const image = unwrap(await world.store.ensure("example.org/imported:1", "uid-i"));
      assert.ok(unwrap(await world.store.withTree(image, async (tree) => tree.mounts.length)) > 0);
      unwrap(await world.store.release("uid-i"));
    });

    test("what is not there, no reference, or cancelled is said so, and nobody holds anything", async () => {
      const missing = await world.store.ensure(world.missing, "uid-m");
      assert.equal(missing.ok ? "there" : missing.error.code, "IMAGE_NOT_FOUND");
      const invalid = await world.store.ensure("Not A Reference", "uid-m");
      assert.equal(invalid.ok ? "there" : invalid.error.code, "IMAGE_REFERENCE_INVALID");
      const cancelled = await world.store.ensure(world.references[0], "uid-m", { signal: AbortSignal.abort() });
      assert.equal(cancelled.ok ? "there" : cancelled.error.code, "CANCELLED");
      assert.deepEqual(unwrap(await world.store.holders()), []);
    });
  });
}
