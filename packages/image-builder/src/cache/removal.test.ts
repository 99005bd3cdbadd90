import assert from "node:assert/strict";
import { test } from "node:test";
import { mountPoints } from "./removal.ts";

test("mount points are read with the blanks that are in them", () => {
  const lines = [
    "22 28 0:21 / /sys rw,nosuid - sysfs sysfs rw",
    "36 35 98:0 /mnt1 /srv/a\\040b\\134c rw,noatime master:1 - ext3 /dev/root rw",
    "",
  ];
  assert.deepEqual(mountPoints(lines.join("\n")), ["/sys", "/srv/a b\\c"]);
});
