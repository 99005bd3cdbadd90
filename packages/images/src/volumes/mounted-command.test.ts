import assert from "node:assert/strict";
import { test } from "node:test";
import { directoryOf, mountArguments } from "./mounted-command.ts";

test("one bind mount is read in place", () => {
  assert.equal(
    directoryOf({ mounts: [{ type: "bind", source: "/snapshots/1/fs", options: ["ro", "rbind"] }] }),
    "/snapshots/1/fs",
  );
  assert.equal(directoryOf({ mounts: [{ type: "overlay", source: "overlay", options: [] }] }), undefined);
});

test("lower directories are given relative to what they share", () => {
  const options = ["index=off", "lowerdir=/var/lib/c/snapshots/12/fs:/var/lib/c/snapshots/9/fs"];
  assert.deepEqual(mountArguments({ mounts: [{ type: "overlay", source: "overlay", options }] }), {
    base: "/var/lib/c/snapshots",
    words: ["overlay", "index=off,lowerdir=12/fs:9/fs", "overlay"],
  });
});

test("a hundred layers fit into a page of options", () => {
  const lower = Array.from(
    { length: 100 },
    (_, index) => `/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots/${index}/fs`,
  );
  const { words } = mountArguments({
    mounts: [{ type: "overlay", source: "overlay", options: [`lowerdir=${lower.join(":")}`] }],
  });
  assert.ok((words[1]?.length ?? 0) < 4096);
});
