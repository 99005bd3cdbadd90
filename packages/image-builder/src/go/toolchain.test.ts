import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { isOlder, planToolchain } from "./toolchain.ts";

describe("the Go toolchain", () => {
  const machineGo = "/nonexistent/go";

  test("Go versions are compared by their numbers", () => {
    assert.equal(isOlder("1.9.7", "1.21"), true);
    assert.equal(isOlder("1.26.8", "1.26.0"), false);
    assert.equal(isOlder("1.26", "1.26.0"), false);
    assert.equal(isOlder("1.26rc1", "1.26.0"), false);
    assert.equal(isOlder("2.0", "1.99.9"), false);
  });

  test("without a Go on the machine the oldest pinned one that will do is taken; beyond them there is none", async () => {
    assert.deepEqual(await planToolchain({ machineGo, atLeast: "1.24.0" }), { version: "1.26.6", source: "wheel" });
    assert.deepEqual(await planToolchain({ machineGo, atLeast: "1.27.0" }), { version: "1.27.3", source: "wheel" });
    await assert.rejects(planToolchain({ machineGo, atLeast: "1.99" }), {
      code: "TOOL_MISSING",
      message: /Go 1\.99 or newer/,
    });
  });
});
