import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { kernelArguments } from "./kernel-arguments.ts";

const defaults = [
  ["console", "ttyS0"],
  ["root", "/dev/vda"],
  ["rw", ""],
  ["panic", "1"],
] as const;

describe("kernel arguments", () => {
  it("keep their defaults in place and add the user's, sorted", () => {
    assert.equal(kernelArguments(defaults, {}), "console=ttyS0 root=/dev/vda rw panic=1");
    const user = { zeta: "1", panic: "30", alpha: "", quiet: "" };
    assert.equal(kernelArguments(defaults, user), "console=ttyS0 root=/dev/vda rw panic=30 alpha quiet zeta=1");
  });

  it("take rw and ro for one switch", () => {
    assert.equal(kernelArguments(defaults, { ro: "" }), "console=ttyS0 root=/dev/vda panic=1 ro");
  });

  it("quote blanks and refuse what cannot be written", () => {
    assert.equal(kernelArguments([], { dyndbg: "file a +p" }), 'dyndbg="file a +p"');
    assert.throws(() => kernelArguments([], { key: "line\nbreak" }), { code: "SPEC_INVALID" });
    assert.throws(() => kernelArguments([], { "a b": "1" }), { code: "SPEC_INVALID" });
    assert.throws(() => kernelArguments([], { long: "x".repeat(2_048) }), { code: "SPEC_INVALID" });
  });
});
