import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { LineDecoder } from "./line-decoder.ts";

test("lines come out whole, however the stream is cut", () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: "binary" })), fc.array(fc.nat(40)), (texts, cuts) => {
      const lines = texts.map((text) => text.replaceAll("\n", " "));
      const stream = Buffer.from(lines.map((line) => `${line}\n`).join(""));
      const decoder = new LineDecoder(1_000_000);
      const out: string[] = [];
      let start = 0;
      for (const size of [...cuts, stream.length]) {
        for (const line of decoder.push(stream.subarray(start, start + size))) out.push(line.toString());
        start += size;
      }
      assert.deepEqual(
        out,
        lines.map((line) => Buffer.from(line).toString()).filter((line) => line !== ""),
      );
    }),
  );
});

test("a line that grows beyond the limit is refused before it is complete", () => {
  const decoder = new LineDecoder(10);
  assert.deepEqual([...decoder.push(Buffer.from("0123456789\n01234"))].map(String), ["0123456789"]);
  assert.deepEqual([...decoder.push(Buffer.from("56789"))], []);
  assert.throws(() => [...decoder.push(Buffer.from("x"))], RangeError);
});
