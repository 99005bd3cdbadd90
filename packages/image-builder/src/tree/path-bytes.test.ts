import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { bytesOfText, textOfBytes } from "./path-bytes.ts";

test("every name survives, and UTF-8 is not touched", () => {
  assert.equal(textOfBytes(Buffer.from("käse\n€")), "käse\n€");
  assert.deepEqual(
    bytesOfText(textOfBytes(Buffer.from([0x61, 0xff, 0xc3, 0xa4, 0xc3]))),
    Buffer.from([0x61, 0xff, 0xc3, 0xa4, 0xc3]),
  );
  fc.assert(fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => bytesOfText(textOfBytes(bytes)).equals(bytes)));
});

test("different names stay different", () => {
  const names = [[0x80], [0xed, 0xb2, 0x80], [0xc2, 0x80], [0xef, 0xbf, 0xbd]];
  assert.equal(new Set(names.map((name) => textOfBytes(Uint8Array.from(name)))).size, names.length);
});
