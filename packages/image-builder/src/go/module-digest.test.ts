import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { moduleDigest, verifyModules } from "./module-digest.ts";

describe("digests of modules", () => {
  let directory = "";
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "lm-module-"));
    await mkdir(join(directory, "cmd"));
    await writeFile(join(directory, "cmd", "main.go"), "package main\n");
    await writeFile(join(directory, "go.mod"), "module example.org/x\n");
  });
  afterEach(() => rm(directory, { recursive: true }));

  /** golang.org/x/mod/sumdb/dirhash.HashDir of the same files says this. */
  const known = "h1:Ci+7kq7ztRcLge8vntOVsAkguBBgfs/wrQF3b9JU+tQ=";

  test("a module's digest is the one of go.sum", async () => {
    assert.equal(await moduleDigest(directory, "example.org/x", "v1.0.0"), known);
  });

  test("one changed byte is found, and the module and its folder are named", async () => {
    const digest = await moduleDigest(directory, "example.org/x", "v1.0.0");
    const module = { path: "example.org/x", version: "v1.0.0", digest, directory };
    await verifyModules([module]);
    await writeFile(join(directory, "cmd", "main.go"), "package evil\n");
    await assert.rejects(verifyModules([module]), (error: Error & { code?: string }) => {
      assert.equal(error.code, "IMAGE_INPUT_MISMATCH");
      assert.match(error.message, /example\.org\/x v1\.0\.0 is not what go\.sum says/);
      assert.ok(error.message.includes(directory));
      return true;
    });
  });
});
