import assert from "node:assert/strict";
import { test } from "node:test";
import { parseFailures, parseLinks } from "./ip-batch.ts";

test("failures by line, with their reasons", () => {
  const failures = parseFailures(
    'ioctl(TUNSETIFF): Device or resource busy\nCommand failed -:1\nRTNETLINK answers: File exists\nCommand failed -:5\nDevice "x" does not exist.\nCommand failed -:6\n',
  );
  assert.deepEqual(
    [...failures],
    [
      [0, "ioctl(TUNSETIFF): Device or resource busy"],
      [4, "RTNETLINK answers: File exists"],
      [5, 'Device "x" does not exist.'],
    ],
  );
});

test("links out of several answers; strange entries are left out", () => {
  const links = parseLinks(
    '[{"ifindex":5,"ifname":"lmtap1","flags":["BROADCAST","UP"],"master":"br0","address":"FE:00:00:00:00:01","ifalias":"a"}]\n[{}]\n\n[{"ifindex":6,"ifname":"x","flags":[]}]\n',
  );
  assert.deepEqual(links.get("lmtap1"), {
    name: "lmtap1",
    index: 5,
    mac: "fe:00:00:00:00:01",
    alias: "a",
    master: "br0",
    up: true,
  });
  assert.deepEqual([...links.keys()], ["lmtap1", "x"]);
});

test("an answer that was cut off is an error, not an empty host", () => {
  assert.throws(() => parseLinks('[{"ifindex":5,"ifna'), { code: "NETWORK_FAILED" });
});
