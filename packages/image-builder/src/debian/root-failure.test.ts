import assert from "node:assert/strict";
import { test } from "node:test";
import { rootFailure } from "./root-failure.ts";

test("a maintainer script that fails is an error with the package's name and what was said", () => {
  const error = rootFailure(
    [
      "I: installing remaining packages inside the chroot...",
      "Setting up broken (1.0) ...",
      "cannot find the moon",
      "dpkg: error processing package broken (--configure):",
      " installed broken package post-installation script subprocess returned error exit status 7",
      "Errors were encountered while processing:",
      " broken",
      "E: Sub-process env returned an error code (1)",
    ],
    25,
  );
  assert.equal(error.code, "IMAGE_BUILD_FAILED");
  assert.equal(error.details["package"], "broken");
  assert.match(
    error.message,
    /^the package broken could not be installed: .*error exit status 7; it said:\n.*\ncannot find the moon$/s,
  );
});

test("an archive that cannot be unpacked is known by its package", () => {
  const error = rootFailure(
    [
      "dpkg: error processing archive /var/cache/apt/archives/libfoo1_1%3a2_amd64.deb (--unpack):",
      " trying to overwrite '/usr/x'",
    ],
    1,
  );
  assert.equal(error.details["package"], "libfoo1");
  assert.match(error.message, /trying to overwrite/);
});

test("scripts, full scratch space, a missing sandbox and unmet dependencies are told apart", () => {
  const script = rootFailure(["hello", "liquidmetal: script 2 failed with 3", "E: setup failed"], 1);
  assert.match(script.message, /^script 2 of the recipe ended with 3; it said:\nhello$/);
  assert.equal(rootFailure(["tar: x: Cannot write: No space left on device"], 2).code, "DISK_FULL");
  assert.equal(
    rootFailure(["bwrap: Can't mount proc on /newroot/proc: Operation not permitted"], 1).code,
    "CAPABILITY_MISSING",
  );
  assert.match(
    rootFailure([" a : Depends: b but it is not installable", "E: broken packages"], 1).message,
    /Depends: b/,
  );
});
