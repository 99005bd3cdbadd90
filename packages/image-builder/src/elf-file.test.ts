import assert from "node:assert/strict";
import { test } from "node:test";
import { elfSection, linkedLibraries } from "./elf-file.ts";
import { elfWith } from "./elf-fixture.ts";

const dynamicEntry = (tag: bigint, value: bigint): Buffer => {
  const entry = Buffer.alloc(16);
  entry.writeBigUInt64LE(tag, 0);
  entry.writeBigUInt64LE(value, 8);
  return entry;
};

test("a program's interpreter and libraries are found", () => {
  const file = elfWith({
    ".interp": "/lib64/ld.so\0",
    ".dynstr": "\0libc.so.6\0libz.so.1\0",
    ".dynamic": Buffer.concat([
      dynamicEntry(1n, 1n),
      dynamicEntry(5n, 7n),
      dynamicEntry(1n, 11n),
      dynamicEntry(0n, 0n),
    ]),
  });
  assert.deepEqual(linkedLibraries(file), { interpreter: "/lib64/ld.so", needed: ["libc.so.6", "libz.so.1"] });
});

test("a static program needs nothing, and an absent section is undefined", () => {
  const file = elfWith({ ".text": "x" });
  assert.deepEqual(linkedLibraries(file), { needed: [] });
  assert.equal(elfSection(file, ".modinfo"), undefined);
});

test("whatever is cut off is refused, not read beyond its end", () => {
  const file = elfWith({ ".modinfo": "depends=\0" });
  for (const length of [0, 10, 64, 70, file.length - 64]) {
    assert.throws(() => elfSection(file.subarray(0, length), ".modinfo"), { code: "IMAGE_BUILD_FAILED" });
  }
});
