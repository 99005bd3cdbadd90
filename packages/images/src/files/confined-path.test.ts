import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { resolveInside } from "./confined-path.ts";

const links: Record<string, string> = {
  vmlinuz: "boot/vmlinuz",
  "boot/vmlinuz": "vmlinuz-6.1",
  lib: "usr/lib",
  absolute: "/boot/vmlinuz",
  out: "../../../../etc/passwd",
  circle: "circle",
  "a/up": "../../b",
};
const readLink = async (path: string): Promise<string | undefined> => links[path];

test("links are followed inside the image", async () => {
  assert.equal(await resolveInside("vmlinuz", readLink), "boot/vmlinuz-6.1");
  assert.equal(await resolveInside("/lib/modules", readLink), "usr/lib/modules");
  assert.equal(await resolveInside("absolute", readLink), "boot/vmlinuz-6.1");
  assert.equal(await resolveInside("a/up/c", readLink), "b/c");
  assert.equal(await resolveInside("out", readLink), "etc/passwd");
  assert.equal(await resolveInside("../../x/./y//z", readLink), "x/y/z");
  assert.equal(await resolveInside("circle", readLink), undefined);
});

test("nothing leads out, whatever the links say", async () => {
  const path = fc.stringMatching(/^[ab./]{1,12}$/);
  await fc.assert(
    fc.asyncProperty(path, fc.dictionary(fc.constantFrom("a", "b", "a/b", "b/a"), path), async (filename, tree) => {
      const resolved = await resolveInside(filename, async (one) => tree[one]);
      assert.ok(resolved === undefined || !`/${resolved}/`.includes("/../"));
      assert.ok(!resolved?.startsWith("/"));
    }),
  );
});
