import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { elfWith } from "../elf-fixture.ts";
import { extractVmlinux } from "./bzimage.ts";

const kernel = elfWith({ ".text": "a kernel".repeat(1000) });

/** A bzImage with two setup sectors, whose payload begins 16 bytes into the protected-mode part. */
function bzImage(payload: Buffer, protocol = 0x020f): Buffer {
  const head = Buffer.alloc(3 * 512 + 16);
  head.writeUInt8(2, 0x1f1);
  head.write("HdrS", 0x202, "latin1");
  head.writeUInt16LE(protocol, 0x206);
  head.writeUInt32LE(16, 0x248);
  head.writeUInt32LE(payload.length, 0x24c);
  return Buffer.concat([head, payload, Buffer.from("what follows")]);
}

function withSize(payload: Buffer, size: number = kernel.length): Buffer {
  const tail = Buffer.alloc(4);
  tail.writeUInt32LE(size);
  return Buffer.concat([payload, tail]);
}

test("the ELF kernel comes out of gzip, zstd and uncompressed payloads", async () => {
  for (const payload of [gzipSync(kernel), withSize(zstdCompressSync(kernel)), kernel]) {
    assert.deepEqual(await extractVmlinux(bzImage(payload)), kernel);
  }
});

test("what is no bzImage, or has a damaged payload, is KERNEL_INVALID", async () => {
  const image = bzImage(gzipSync(kernel));
  const bad = {
    empty: Buffer.alloc(0),
    "an ELF file": kernel,
    "an old protocol": bzImage(gzipSync(kernel), 0x0207),
    "cut off": image.subarray(0, image.length - 100),
    "unknown compression": bzImage(Buffer.from("no known magic")),
    "another size": bzImage(withSize(zstdCompressSync(kernel), 7)),
    "damaged data": bzImage(withSize(zstdCompressSync(kernel).subarray(0, -20))),
    "not an ELF file": bzImage(gzipSync(Buffer.from("hello".repeat(100)))),
  };
  for (const [what, bytes] of Object.entries(bad)) {
    await assert.rejects(extractVmlinux(bytes), { code: "KERNEL_INVALID" }, what);
  }
});
