import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { test } from "node:test";
import { constants, createZstdDecompress, zstdCompressSync } from "node:zlib";
import { alignedFrames } from "./zstd-frames.ts";

const contents = [
  randomBytes(100_000),
  Buffer.alloc(3_000_000, "abc"),
  Buffer.alloc(0),
  randomBytes(300_000),
  Buffer.from("end"),
];
const checksum = { params: { [constants.ZSTD_c_checksumFlag]: 1 } };
const skipped = Buffer.concat([Buffer.from("5a2a4d18", "hex"), Buffer.from([5, 0, 0, 0]), Buffer.from("hello")]);
const emptySkipped = Buffer.concat([Buffer.from("502a4d18", "hex"), Buffer.from([0, 0, 0, 0])]);

async function decompressed(bytes: Buffer, chunkBytes: number): Promise<Buffer> {
  function* chunks(): Generator<Buffer> {
    for (let at = 0; at < bytes.length; at += chunkBytes) yield bytes.subarray(at, at + chunkBytes);
  }
  let whole = Buffer.alloc(0);
  await pipeline(Readable.from(chunks()), alignedFrames, createZstdDecompress(), async (out: AsyncIterable<Buffer>) => {
    whole = Buffer.concat([await buffer(Readable.from(out))]);
  });
  return whole;
}

const joined = (parts: readonly Buffer[]): Buffer => {
  const frames = parts.map((content, index) => zstdCompressSync(content, index % 2 === 0 ? checksum : {}));
  return Buffer.concat([emptySkipped, ...frames.flatMap((frame) => [frame, skipped]), emptySkipped]);
};

test("many frames, with checksums and without, and frames to skip, are one content, however the bytes come", async () => {
  const bytes = joined(contents);
  for (const chunkBytes of [5000, 65_536, bytes.length]) {
    assert.ok((await decompressed(bytes, chunkBytes)).equals(Buffer.concat(contents)), `${chunkBytes}`);
  }
  const small = [Buffer.from("a"), Buffer.alloc(0), Buffer.alloc(10_000, "bc"), randomBytes(300)];
  for (const chunkBytes of [1, 2, 3, 7, 16]) {
    assert.ok((await decompressed(joined(small), chunkBytes)).equals(Buffer.concat(small)), `${chunkBytes}`);
  }
});

test("a frame without its end is refused wherever it breaks off, and so is what is no zstd", async () => {
  const frame = zstdCompressSync(Buffer.from("something ".repeat(1000)), checksum);
  for (let length = 1; length < frame.length; length += 1) {
    await assert.rejects(decompressed(frame.subarray(0, length), 16));
  }
  await assert.rejects(decompressed(Buffer.from("this is no zstd at all"), 5));
  await assert.rejects(decompressed(Buffer.concat([frame, Buffer.from("rubbish at the end")]), 64));
});
