import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { Descriptor } from "@liquidmetal/registry";
import { LayoutSink } from "./layout-sink.ts";
import { StoredLayout } from "./stored-layout.ts";

let directory = "";
before(async () => {
  directory = await mkdtemp(join(tmpdir(), "lm-sink-"));
});
after(() => rm(directory, { recursive: true }));

const content = Buffer.alloc(300_000, "some bytes");
const hex = createHash("sha256").update(content).digest("hex");
const blob: Descriptor = { mediaType: "text/plain", digest: `sha256:${hex}`, sizeBytes: content.length };

async function* from(bytes: Uint8Array, breaks = false): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 10_000) yield bytes.subarray(at, at + 10_000);
  if (breaks) throw new Error("the connection broke");
}

test("what came of a blob is kept and gone on with; only the whole has its name", async () => {
  const path = join(directory, "resumed");
  const sink = await LayoutSink.create(path);
  await assert.rejects(sink.write(blob, 0, from(content.subarray(0, 120_000), true)), /connection broke/);
  const came = await sink.has(blob);
  assert.ok(came > 0 && came <= 120_000, `${came} bytes`);
  assert.ok(!(await readdir(join(path, "blobs/sha256"))).includes(hex));
  await sink.write(blob, came, from(content.subarray(came)));
  assert.equal(await sink.has(blob), content.length);
  assert.ok((await readFile(join(path, "blobs/sha256", hex))).equals(content));
  assert.deepEqual(await readdir(join(path, "blobs/sha256")), [hex]);
});

test("what is wrong, too long or too short is refused, and nothing of it is kept", async () => {
  const path = join(directory, "refused");
  const sink = await LayoutSink.create(path);
  for (const wrong of [Buffer.alloc(content.length, "x"), Buffer.concat([content, content]), content.subarray(1)]) {
    await assert.rejects(sink.write(blob, 0, from(wrong)), { code: "IMAGE_CORRUPT" });
    assert.equal(await sink.has(blob), 0);
  }
});

test("it is a layout once it is finished", async () => {
  const path = join(directory, "finished");
  const sink = await LayoutSink.create(path);
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: [] }));
  const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
  const index: Descriptor = { mediaType: "application/vnd.oci.image.index.v1+json", digest, sizeBytes: bytes.length };
  await sink.write(index, 0, from(bytes));
  await assert.rejects(StoredLayout.open(path), { code: "IMAGE_NOT_FOUND" });
  await sink.finish(index, [], "example.org/a:1");
  const stored = await StoredLayout.open(path);
  assert.deepEqual([stored.image.descriptor.digest, stored.references], [digest, ["example.org/a:1"]]);
});
