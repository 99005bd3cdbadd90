import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { fatImage } from "./fat-image.ts";
import { readFat } from "./testing/fat-reader.ts";

const name = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,40}$/);
const content = fc.oneof(
  fc.uint8Array({ maxLength: 1_200 }),
  fc.integer({ min: 0, max: 300_000 }).map((length) => new Uint8Array(length).fill(0xa5)),
);

test("any files come back as they were, from an image that is the same every time", () => {
  const tree = fc.uniqueArray(fc.tuple(name, fc.boolean(), content), {
    maxLength: 12,
    selector: ([file]) => file.toLowerCase(),
  });
  fc.assert(
    fc.property(tree, (entries) => {
      const files = Object.fromEntries(
        entries.map(([file, nested, bytes]) => [nested ? `liquidmetal.d/${file}` : file, bytes]),
      );
      const image = fatImage({ label: "cidata", files });
      assert.equal(image.length % 512, 0);
      const read = readFat(image);
      assert.deepEqual(Object.keys(read).sort(), Object.keys(files).sort());
      for (const [path, bytes] of Object.entries(files)) assert.ok(read[path]?.equals(bytes), path);
      assert.ok(
        image.equals(fatImage({ label: "cidata", files: Object.fromEntries(Object.entries(files).reverse()) })),
      );
    }),
    { numRuns: 60 },
  );
});

test("sizes at the edges of clusters", () => {
  for (const size of [0, 1, 511, 512, 513, 1024, 4_084 * 512, 4_084 * 512 + 1, 6 * 1024 * 1024]) {
    const bytes = Buffer.alloc(size, "x");
    assert.ok(readFat(fatImage({ label: "cidata", files: { f: bytes } }))["f"]?.equals(bytes), String(size));
  }
});

test("a small seed is a small disk", () => {
  assert.ok(fatImage({ label: "cidata", files: { "meta-data": Buffer.from("a: b\n") } }).length < 64 * 1024);
});

test("what the format does not hold is refused", () => {
  const empty = new Uint8Array();
  for (const path of ["", "a/b/c", "../x", "a b", "ä", "x".repeat(65), ".hidden"]) {
    assert.throws(() => fatImage({ label: "l", files: { [path]: empty } }), RangeError, path);
  }
  const many = Object.fromEntries(Array.from({ length: 80 }, (_, index) => [`file-${index}`, empty]));
  assert.throws(() => fatImage({ label: "l", files: many }), RangeError);
});
