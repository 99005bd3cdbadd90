import assert from "node:assert/strict";
import { test } from "node:test";
import { FileTree } from "../tree/file-tree.ts";
import { cpioOf } from "./cpio-archive.ts";

/** Reads an archive as the kernel does: names, modes, devices and contents in their order. */
function read(archive: Buffer): { name: string; mode: number; device: string; body: string }[] {
  const entries = [];
  for (let at = 0; ; ) {
    assert.equal(archive.toString("latin1", at, at + 6), "070701");
    const field = (index: number): number =>
      Number.parseInt(archive.toString("latin1", at + 6 + index * 8, at + 14 + index * 8), 16);
    const nameEnd = at + 110 + field(11);
    const name = archive.toString("utf8", at + 110, nameEnd - 1);
    const start = Math.ceil(nameEnd / 4) * 4;
    if (name === "TRAILER!!!") return entries;
    entries.push({
      name,
      mode: field(1),
      device: `${field(9)}:${field(10)}`,
      body: archive.toString("utf8", start, start + field(6)),
    });
    at = Math.ceil((start + field(6)) / 4) * 4;
  }
}

test("directories, files, links and devices are as the kernel wants them", async () => {
  const tree = new FileTree()
    .file("bin/busybox", "#!", { mode: 0o4755 })
    .symlink("bin/sh", "busybox")
    .hardlink("bin/ash", "bin/busybox")
    .characterDevice("dev/console", 5, 1);
  assert.deepEqual(read(await cpioOf(tree, 1_700_000_000)), [
    { name: "bin", mode: 0o040755, device: "0:0", body: "" },
    { name: "bin/busybox", mode: 0o104755, device: "0:0", body: "#!" },
    { name: "bin/sh", mode: 0o120777, device: "0:0", body: "busybox" },
    { name: "dev", mode: 0o040755, device: "0:0", body: "" },
    { name: "dev/console", mode: 0o020600, device: "5:1", body: "" },
    { name: "bin/ash", mode: 0o104755, device: "0:0", body: "#!" },
  ]);
});

test("the same tree gives the same bytes, in whatever order it was filled", async () => {
  const one = new FileTree().file("a", "1").file("b/c", "2");
  const other = new FileTree().file("b/c", "2").file("a", "1");
  assert.deepEqual(await cpioOf(one, 5), await cpioOf(other, 5));
});
