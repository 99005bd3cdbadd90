import assert from "node:assert/strict";
import { test } from "node:test";
import { busyboxApplets } from "./busybox-applets.ts";

const names = Array.from({ length: 30 }, (_, index) => `applet${String(index).padStart(2, "0")}`);

test("the table is found among other strings and ends where the order does", () => {
  const binary = Buffer.from(`code\0[\0[[\0\x01rest\0[\0[[\0${names.join("\0")}\0BusyBox v1\0`, "latin1");
  assert.deepEqual(busyboxApplets(binary), ["[", "[[", ...names]);
});

test("a file without a table, or with one that is cut off, is no busybox", () => {
  assert.throws(() => busyboxApplets(Buffer.from("nothing")), { code: "IMAGE_BUILD_FAILED" });
  assert.throws(() => busyboxApplets(Buffer.from("\0[\0[[\0acpid")), /it is no busybox/);
});
