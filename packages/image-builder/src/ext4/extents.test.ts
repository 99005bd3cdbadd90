import assert from "node:assert/strict";
import { test } from "node:test";
import { addRun, type Extent, extentTree } from "./extents.ts";

test("neighbours become one extent, up to what an extent can say", () => {
  const extents: Extent[] = [];
  addRun(extents, 0, { start: 100, length: 10 });
  addRun(extents, 10, { start: 110, length: 40_000 });
  addRun(extents, 50_000, { start: 90_000, length: 1 });
  assert.deepEqual(extents, [
    { logical: 0, start: 100, length: 32_768 },
    { logical: 32_768, start: 32_868, length: 7_242 },
    { logical: 50_000, start: 90_000, length: 1 },
  ]);
});

/** All extents that a tree leads to. */
function leaves(node: Buffer, blocks: ReadonlyMap<number, Uint8Array>): [number, number][] {
  assert.equal(node.readUInt16LE(0), 0xf30a);
  const [entries, max, depth] = [node.readUInt16LE(2), node.readUInt16LE(4), node.readUInt16LE(6)];
  assert.ok(entries <= max);
  return Array.from({ length: entries }, (_, index) => 12 * (index + 1)).flatMap((at): [number, number][] => {
    if (depth === 0) return [[node.readUInt32LE(at), node.readUInt32LE(at + 8)]];
    const below = Buffer.from(blocks.get(node.readUInt32LE(at + 4)) ?? assert.fail("no such block"));
    assert.equal(below.readUInt16LE(6), depth - 1);
    return leaves(below, blocks);
  });
}

for (const count of [0, 4, 5, 340, 341, 1_360, 1_361, 5_000]) {
  test(`a tree over ${count} extents leads to all of them, in order`, () => {
    const extents = Array.from({ length: count }, (_, index) => ({
      logical: index * 2,
      start: 10 + index * 3,
      length: 1,
    }));
    const blocks = new Map<number, Uint8Array>();
    const root = extentTree(extents, (block) => {
      blocks.set(blocks.size + 1, block);
      return blocks.size;
    });
    assert.equal(root.length, 60);
    assert.deepEqual(
      leaves(root, blocks),
      extents.map(({ logical, start }) => [logical, start]),
    );
  });
}
