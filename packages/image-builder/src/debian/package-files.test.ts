import assert from "node:assert/strict";
import { test } from "node:test";
import { chooseFiles, globExpression, type PackageFile, usrMerged } from "./package-files.ts";

const files = new Map(
  [
    "usr/bin/busybox",
    "usr/share/zoneinfo",
    "usr/share/zoneinfo/UTC",
    "usr/share/zoneinfo/Etc/UTC",
    "usr/lib/a.so.1",
  ].map((path) => [path, { path } as unknown as PackageFile]),
);
const chosen = (pattern: string, destination: string): string[] =>
  chooseFiles(files, pattern, destination).map(({ file, destination: to }) => `${file.path} > ${to}`);

test("paths of a split /usr become those of a merged one", () => {
  assert.deepEqual(["bin/sh", "/lib64/ld.so", "lib", "usr/bin/x", "library/x"].map(usrMerged), [
    "usr/bin/sh",
    "usr/lib64/ld.so",
    "usr/lib",
    "usr/bin/x",
    "library/x",
  ]);
});

test("a path is put where it is wanted, a directory with all below it", () => {
  assert.deepEqual(chosen("usr/bin/busybox", "bin/sh"), ["usr/bin/busybox > bin/sh"]);
  assert.deepEqual(chosen("usr/bin/busybox", "opt/"), ["usr/bin/busybox > opt/busybox"]);
  assert.deepEqual(chosen("usr/share/zoneinfo", "tz"), [
    "usr/share/zoneinfo > tz",
    "usr/share/zoneinfo/UTC > tz/UTC",
    "usr/share/zoneinfo/Etc/UTC > tz/Etc/UTC",
  ]);
});

test("a pattern keeps what follows the part before its first wildcard", () => {
  assert.deepEqual(chosen("usr/share/zoneinfo/*", "tz"), ["usr/share/zoneinfo/UTC > tz/UTC"]);
  assert.deepEqual(chosen("usr/**/UTC", "."), [
    "usr/share/zoneinfo/UTC > share/zoneinfo/UTC",
    "usr/share/zoneinfo/Etc/UTC > share/zoneinfo/Etc/UTC",
  ]);
  assert.ok(globExpression("linux-image-?.*").test("linux-image-6.1-cloud"));
  assert.ok(!globExpression("usr/*").test("usr/bin/busybox"));
});

test("what no package has is an error that names what ends alike", () => {
  assert.throws(
    () => chosen("usr/sbin/busybox", "x"),
    /none of the packages has usr\/sbin\/busybox; there is usr\/bin\/busybox/,
  );
});
