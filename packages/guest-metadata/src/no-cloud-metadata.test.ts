import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { unwrap } from "@liquidmetal/foundation";
import type { SeedRequest } from "@liquidmetal/microvm";
import { NoCloudMetadata } from "./no-cloud-metadata.ts";
import { readFat } from "./testing/fat-reader.ts";
import { base64, seedRequest, spec } from "./testing/seed-request.ts";

const metadata = new NoCloudMetadata();
const withMetadata = (documents: Readonly<Record<string, string>>): SeedRequest =>
  seedRequest({ spec: spec({ metadata: documents }) });

async function inDirectory(work: (directory: string) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "lm-seed-"));
  try {
    await work(directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

test("the documents of a bare microVM", () => {
  const documents = unwrap(metadata.documents(seedRequest()));
  assert.deepEqual(Object.keys(documents).sort(), ["meta-data", "network-config", "vendor-data"]);
});

test("user data stays as it is; a network configuration of the user's wins", () => {
  const documents = unwrap(
    metadata.documents(
      withMetadata({ "user-data": base64("#cloud-config\n: broken [\n"), "network-config": base64("version: 2\n") }),
    ),
  );
  assert.equal(documents["user-data"], "#cloud-config\n: broken [\n");
  assert.equal(documents["network-config"], "version: 2\n");
  const { kernel } = spec();
  const bare = seedRequest({ spec: spec({ kernel: { ...kernel, addNetworkConfig: false } }) });
  assert.equal(unwrap(metadata.documents(bare))["network-config"], undefined);
});

test("what cannot be read is refused with the document's name", () => {
  const code = (documents: Readonly<Record<string, string>>): string => {
    const result = metadata.documents(withMetadata(documents));
    assert.ok(!result.ok);
    const [name = ""] = Object.keys(documents);
    assert.ok(result.error.message.includes(name), result.error.message);
    return result.error.code;
  };
  assert.equal(code({ "user-data": "not base64!" }), "METADATA_INVALID");
  assert.equal(code({ "meta-data": base64("a: {b: c}") }), "METADATA_INVALID");
  assert.equal(code({ "vendor-data": base64(Buffer.from([0xff, 0xfe])) }), "METADATA_INVALID");
  assert.equal(code({ "network-config": base64("version: [") }), "METADATA_INVALID");
  assert.equal(code({ "x-other": "%" }), "METADATA_INVALID");
});

test("the seed holds the documents and the plain files, 0600, the same bytes for the same request", async () => {
  await inDirectory(async (directory) => {
    const userData = `#cloud-config\nssh_authorized_keys: [ssh-ed25519 AAA me]\n`;
    const request = { ...withMetadata({ "user-data": base64(userData), "x-other": base64("kept") }), directory };
    const path = unwrap(await metadata.write(request)) ?? "";
    const files = readFat(await readFile(path));
    assert.deepEqual(Object.keys(files).sort(), [
      "liquidmetal/authorized_keys",
      "liquidmetal/hostname",
      "liquidmetal/instance-id",
      "liquidmetal/network",
      "meta-data",
      "network-config",
      "user-data",
      "vendor-data",
    ]);
    assert.equal(files["user-data"]?.toString(), userData);
    assert.equal(files["liquidmetal/authorized_keys"]?.toString(), "ssh-ed25519 AAA me\n");
    const before = await stat(path);
    assert.equal(before.mode & 0o777, 0o600);
    unwrap(await metadata.write(request));
    assert.equal((await stat(path)).ino, before.ino, "written once only");
    unwrap(await metadata.write({ ...request, spec: { ...request.spec, name: "other" } }));
    assert.notEqual((await stat(path)).ino, before.ino, "replaced whole");
    assert.deepEqual(await readdir(directory), ["seed.img"]);
  });
});

test("compressed user data arrives byte for byte", async () => {
  await inDirectory(async (directory) => {
    const packed = gzipSync("#cloud-config\n");
    const path = unwrap(await metadata.write({ ...withMetadata({ "user-data": base64(packed) }), directory })) ?? "";
    assert.ok(readFat(await readFile(path))["user-data"]?.equals(packed));
  });
});

test("a directory that is not there is an error, not a defect", async () => {
  const result = await metadata.write(seedRequest({ directory: "/nowhere/at/all" }));
  assert.ok(!result.ok && result.error.message.includes("/nowhere/at/all"));
});
