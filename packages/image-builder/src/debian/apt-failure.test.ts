import assert from "node:assert/strict";
import { test } from "node:test";
import { aptFailure, complaint } from "./apt-failure.ts";

test("a wrong signature or hash is told from a network that is away and from a full disk", () => {
  const code = (stderr: string): string => aptFailure("the package lists", stderr).code;
  assert.equal(
    code("W: GPG error: http://a b InRelease: The following signatures were invalid: BADSIG 1234 x"),
    "IMAGE_INPUT_MISMATCH",
  );
  assert.equal(
    code("E: Failed to fetch http://a/x.deb  Hash Sum mismatch\n   Hashes of expected file:"),
    "IMAGE_INPUT_MISMATCH",
  );
  assert.equal(code("E: The repository 'http://a b Release' is not signed."), "IMAGE_INPUT_MISMATCH");
  assert.equal(code("E: You don't have enough free space in /var/cache/apt/archives/."), "DISK_FULL");
  assert.equal(code("E: Unable to locate package x"), "IMAGE_BUILD_FAILED");
  const away = aptFailure(
    "3 packages",
    "E: Failed to fetch http://a/x.deb  Temporary failure resolving 'a'\nE: Unable to fetch some archives",
  );
  assert.equal(away.code, "IMAGE_BUILD_FAILED");
  assert.match(away.message, /cannot be reached for 3 packages: .*Temporary failure resolving/);
});

test("of apt's words the errors count, else the warnings, else the end", () => {
  assert.equal(complaint("W: careful\nE: one\nE: two\n"), "one; two");
  assert.equal(complaint("W: careful\nnoise"), "careful");
  assert.equal(complaint("dpkg: a\n\ndpkg: b\n"), "dpkg: a; dpkg: b");
});
