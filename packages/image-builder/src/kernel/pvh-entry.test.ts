import assert from "node:assert/strict";
import { test } from "node:test";
import { elfWith } from "../elf-fixture.ts";
import { hasPvhEntry } from "./pvh-entry.ts";

function note(owner: string, type: number, description: Buffer): Buffer {
  const head = Buffer.alloc(12);
  const name = Buffer.from(`${owner}\0`);
  head.writeUInt32LE(name.length, 0);
  head.writeUInt32LE(description.length, 4);
  head.writeUInt32LE(type, 8);
  const padded = (bytes: Buffer): Buffer => Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)]);
  return Buffer.concat([head, padded(name), padded(description)]);
}

test("the PVH entry is found among other notes, and not where there is none", () => {
  const buildId = note("GNU", 3, Buffer.alloc(20));
  const pvh = note("Xen", 18, Buffer.alloc(8));
  const other = note("Linux", 18, Buffer.alloc(5));
  assert.equal(hasPvhEntry(elfWith({ ".notes": Buffer.concat([buildId, other, pvh]) })), true);
  assert.equal(hasPvhEntry(elfWith({ ".notes": Buffer.concat([buildId, other]) })), false);
  assert.equal(hasPvhEntry(elfWith({ ".text": "no notes" })), false);
  assert.equal(hasPvhEntry(elfWith({ ".notes": pvh.subarray(0, 10) })), false);
});
