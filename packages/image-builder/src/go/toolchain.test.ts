import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { isOlder, planToolchain } from "./toolchain.ts";

describe("the Go toolchain", () => {
  let empty = "";
  const path = process.env["PATH"];
  beforeEach(async () => {
    empty = await mkdtemp(join(tmpdir(), "lm-no-go-"));
  });
  afterEach(async () => {
    process.env["PATH"] = path;
    await rm(empty, { recursive: true });
  });

  test("Go versions are compared by their numbers", () => {
    assert.equal(isOlder("1.9.7", "1.21"), true);
    assert.equal(isOlder("1.26.8", "1.26.0"), false);
    assert.equal(isOlder("1.26", "1.26.0"), false);
    assert.equal(isOlder("1.26rc1", "1.26.0"), false);
    assert.equal(isOlder("2.0", "1.99.9"), false);
  });

  test("without a Go on the machine the oldest pinned one that will do is taken; beyond them there is none", async () => {
    process.env["PATH"] = empty;
    assert.deepEqual(await planToolchain({ atLeast: "1.24.0" }), { version: "1.26.6", source: "wheel" });
    assert.deepEqual(await planToolchain({ atLeast: "1.27.0" }), { version: "1.27.3", source: "wheel" });
    await assert.rejects(planToolchain({ atLeast: "1.99" }), { code: "TOOL_MISSING", message: /Go 1\.99 or newer/ });
  });
});
