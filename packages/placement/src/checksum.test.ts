import assert from "node:assert/strict";
import { test } from "node:test";
import { crc32 as zlibCrc32 } from "node:zlib";
import fc from "fast-check";
import { crc32 } from "./checksum.ts";
import { choose } from "./place.ts";

/** Upstream's provider, computed from its rule: name, checksum, index among two hosts, index among three. */
const vectors: readonly (readonly [string, number, number, number])[] = [
  ["demo-md-0-abcde", 1592786311, 1, 1],
  ["demo-md-0-fghij", 4065680792, 0, 2],
  ["demo-md-0-klmno", 3827613323, 1, 2],
  ["demo-control-plane-x1y2z", 1701992783, 1, 2],
  ["worker-1", 1010331808, 0, 1],
  ["worker-2", 2771460378, 0, 0],
  ["worker-3", 3526758796, 0, 1],
];

test("names choose among equal hosts as upstream's provider does", () => {
  const pool = ["10.0.0.2:9090", "10.0.0.1:9090", "10.0.0.3:9090"].map((id) => ({ id }));
  const sorted = pool.map(({ id }) => id).sort();
  for (const [name, checksum, ofTwo, ofThree] of vectors) {
    assert.equal(crc32(name), checksum);
    assert.equal(choose(name, pool.slice(0, 2))?.id, sorted[ofTwo]);
    assert.equal(choose(name, pool)?.id, sorted[ofThree]);
  }
});

test("hosts are in bytewise order: 10.0.0.10 stands before 10.0.0.1 with its port", () => {
  const pool = [{ id: "10.0.0.1:9090" }, { id: "10.0.0.10:9090" }];
  assert.equal(choose("worker-1", pool)?.id, "10.0.0.10:9090");
});

test("nothing is chosen from nothing", () => {
  assert.equal(choose("worker-1", []), undefined);
});

test("the checksum is zlib's for every text", () => {
  fc.assert(fc.property(fc.string({ unit: "grapheme" }), (text) => crc32(text) === zlibCrc32(text)));
});
