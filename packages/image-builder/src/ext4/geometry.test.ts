import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { BlockAllocation } from "./block-allocation.ts";
import { blocksPerGroup, geometryOf, hasSuperblock } from "./geometry.ts";

const GiB = 1024 ** 3;

test("copies of the superblock are where e2fsck looks for them", () => {
  const groups = Array.from({ length: 130 }, (_, group) => group).filter(hasSuperblock);
  assert.deepEqual(groups, [0, 1, 3, 5, 7, 9, 25, 27, 49, 81, 125]);
});

test("a last group without room for itself is left away; inodes that do not fit are said", () => {
  assert.equal(geometryOf(128 * 1024 * 1024 + 100 * 4096 - 40 * 4096, 1000)?.groups, 1);
  assert.equal(geometryOf(128 * 1024 * 1024 + 100 * 4096, 1000)?.groups, 2);
  assert.equal(geometryOf(128 * 1024 * 1024, 40_000), undefined);
  assert.equal(geometryOf(0, 10), undefined);
});

test("no block is handed out twice, none that a superblock has, and all are counted", () => {
  const geometry = geometryOf(2 * GiB, 10_000) ?? assert.fail("it fits");
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 60_000 }), { maxLength: 12 }), (wanted) => {
      const allocation = new BlockAllocation(geometry);
      const free = (): number =>
        Array.from({ length: geometry.groups }, (_, group) => allocation.freeBlocks(group)).reduce((a, b) => a + b);
      const before = free();
      let [end, taken] = [0, 0];
      for (const length of wanted) {
        if (taken + length > before / 2) break;
        const run = allocation.some(length);
        assert.ok(run.start >= end && run.length > 0 && run.length <= length);
        for (let group = 0; group < geometry.groups; group += 1) {
          const first = group * blocksPerGroup;
          if (hasSuperblock(group))
            assert.ok(run.start + run.length <= first || run.start > first + geometry.descriptorBlocks);
        }
        end = run.start + run.length;
        taken += run.length;
      }
      assert.equal(free(), before - taken);
    }),
  );
});

test("a full volume says so", () => {
  const allocation = new BlockAllocation(geometryOf(8 * 1024 * 1024, 100) ?? assert.fail("it fits"));
  assert.throws(() => allocation.contiguous(5_000), { code: "DISK_FULL" });
  assert.throws(
    () => {
      for (;;) allocation.some(1_000);
    },
    { code: "DISK_FULL", message: /too small/ },
  );
});
