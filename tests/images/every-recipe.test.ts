/**
 * Every shipped recipe, built, checked byte for byte, and booted where it boots; from nothing with `npm run test:images -- --cold`. Compiles a kernel and all of
 * Kubernetes: an hour and more on a small machine.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { PlatformWorld, platformSkip } from "../e2e/platform-world.ts";

const buildMs = 60 * 60_000;
const bootMs = 10 * 60_000;

describe("every shipped recipe", { skip: platformSkip, timeout: 170 * 60_000 }, () => {
  let world: PlatformWorld;

  before(async () => {
    world = new PlatformWorld();
    await world.ok(["up"]);
  });
  after(async () => {
    await world?.[Symbol.asyncDispose]();
  });

  test("is built, and is what it says it is", { timeout: 160 * 60_000 }, async (context) => {
    const names = (await world.ok(["image", "recipes", "-o", "name"])).trim().split("\n");
    assert.ok(names.includes("kernel/6.1") && names.includes("node/kubernetes"), names.join(" "));
    for (const name of names) {
      const startedMs = performance.now();
      await world.ok(["image", "build", name, "-q", "-o", "name"], { timeoutMs: buildMs });
      context.diagnostic(`${name}: ${((performance.now() - startedMs) / 1_000).toFixed(0)} s`);
      await world.ok(["image", "verify", name, "--static"], { timeoutMs: bootMs });
    }
  });

  for (const [image, kernel] of [
    ["kernel/6.1", undefined],
    ["kernel/distro", undefined],
    ["base/tiny", "kernel/6.1"],
    ["base/debian-12", "kernel/6.1"],
    ["base/debian-12", "kernel/distro"],
  ] as const) {
    test(`${image}${kernel === undefined ? "" : ` with ${kernel}`} gets ready in a microVM`, async (context) => {
      const flags = kernel === undefined ? [] : ["--kernel", kernel];
      const said = await world.ok(["image", "verify", image, ...flags, "-o", "json"], { timeoutMs: buildMs + bootMs });
      context.diagnostic(`ready after ${JSON.parse(said).boot.readyAfterMs} ms`);
    });
  }
});
