import assert from "node:assert/strict";
import { test } from "node:test";
import { kernelTarget } from "./kernel-tools.ts";

test("a kernel is compiled by this machine's compiler, or by the cross compiler for the other architecture", () => {
  assert.deepEqual(kernelTarget("amd64", "x64"), {
    arch: "x86_64",
    sourceArchitecture: "x86",
    crossCompile: "",
    goal: "bzImage",
    image: "arch/x86/boot/bzImage",
  });
  assert.equal(kernelTarget("arm64", "arm64").crossCompile, "");
  assert.equal(kernelTarget("arm64", "x64").crossCompile, "aarch64-linux-gnu-");
  assert.equal(kernelTarget("amd64", "arm64").crossCompile, "x86_64-linux-gnu-");
  assert.equal(kernelTarget("arm64", "x64").image, "arch/arm64/boot/Image");
});
