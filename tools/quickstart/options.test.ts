import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { readOptions, usage } from "./options.ts";

describe("the quickstart's options", () => {
  test("without any it is the cluster, on the default platform", () => {
    assert.deepEqual(readOptions([]), { down: false, dryRun: false, vm: false, platform: "default", help: false });
  });

  test("every option that it takes is in its help", () => {
    const read = readOptions(["--vm", "--dry-run", "--name", "trial", "-h"]);
    assert.deepEqual(read, { down: false, dryRun: true, vm: true, platform: "trial", help: true });
    for (const option of ["--vm", "--dry-run", "--down", "--name NAME", "--help"])
      assert.ok(usage.includes(option), option);
  });

  test("what it does not know, what contradicts itself, and names that cannot be are refused", () => {
    assert.throws(() => readOptions(["--nmae", "x"]), /--nmae/);
    assert.throws(() => readOptions(["stray"]), /stray/);
    assert.throws(() => readOptions(["--name", "Not/A-Name"]), /not a name for a platform/);
    assert.throws(() => readOptions(["--down", "--dry-run"]), /contradict/);
  });
});
