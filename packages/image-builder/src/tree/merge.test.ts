import assert from "node:assert/strict";
import { test } from "node:test";
import { readContent } from "./content.ts";
import { FileTree } from "./file-tree.ts";
import { merge, mergeAll, settle } from "./merge.ts";

const seen = (tree: FileTree): Record<string, string> =>
  Object.fromEntries(
    [...tree.entries()].map(([path, entry]) => [
      path,
      entry.kind === "file"
        ? `file ${readContent(entry.content, 100)}`
        : "target" in entry
          ? `${entry.kind} ${entry.target}`
          : entry.kind,
    ]),
  );

test("additions, changes, whiteouts of files and of whole directories", () => {
  const below = new FileTree().file("a", "1").file("etc/x", "1").file("var/lib/deep/file", "1").symlink("l", "a");
  const layer = new FileTree()
    .file("a", "2")
    .file("new", "2")
    .whiteout("etc/x")
    .whiteout("var/lib")
    .file("l/now", "dir");
  layer.directory("l");
  assert.deepEqual(seen(merge(below, layer)), {
    a: "file 2",
    etc: "directory",
    l: "directory",
    "l/now": "file dir",
    new: "file 2",
    var: "directory",
  });
});

test("an opaque directory shows only what the layer puts into it", () => {
  const below = new FileTree().file("d/old/deep", "1").file("d/kept-by-name", "1").hardlink("x", "d/kept-by-name");
  const layer = new FileTree()
    .put("d", { kind: "directory", opaque: true, mode: 0o700, uid: 0, gid: 0 })
    .file("d/new", "2");
  const merged = merge(below, layer);
  assert.deepEqual(seen(merged), { d: "directory", "d/new": "file 2", x: "file 1" });
  assert.deepEqual(merged.get("d"), { kind: "directory", mode: 0o700, uid: 0, gid: 0 });
});

test("a hard link keeps the old content where a layer replaces or removes the name that held it", () => {
  const below = new FileTree().file("m", "old").hardlink("a", "m").hardlink("z", "m");
  assert.deepEqual(seen(merge(below, new FileTree().file("m", "new"))), {
    a: "file old",
    m: "file new",
    z: "hardlink a",
  });
  assert.deepEqual(seen(merge(below, new FileTree().whiteout("m"))), { a: "file old", z: "hardlink a" });
});

test("a layer's link may lead to a layer below, and must lead to a file", () => {
  const link = new FileTree().put("b", { kind: "hardlink", target: "a", mode: 0o644, uid: 0, gid: 0 });
  const merged = merge(new FileTree().file("a", "1", { mode: 0o4755 }), link);
  assert.deepEqual([merged.get("b")?.kind, merged.get("b")?.mode], ["hardlink", 0o4755]);
  for (const below of [new FileTree(), new FileTree().directory("a")]) {
    assert.throws(() => merge(below, link), { code: "IMAGE_CORRUPT", message: /"b" is a hard link to "a"/ });
  }
});

test("a directory that is only implied leaves the one below as it is", () => {
  const below = new FileTree().directory("tmp", { mode: 0o1777, uid: 3 });
  const layer = new FileTree().file("tmp/x", "1");
  assert.equal(merge(below, layer).get("tmp")?.mode, 0o1777);
  const settled = settle(layer, below).get("tmp");
  assert.deepEqual([settled?.mode, settled?.uid], [0o1777, 3]);
  layer.directory("tmp", { mode: 0o700 });
  assert.equal(merge(below, layer).get("tmp")?.mode, 0o700);
});

test("a layer that would put a directory in a symlink's place without saying so is refused", () => {
  const below = new FileTree().directory("usr/lib").symlink("lib", "usr/lib");
  const layer = new FileTree().file("lib/modules/x", "1");
  const refused = { code: "IMAGE_BUILD_FAILED", message: /lib is a symlink in the layers below/, remedy: /usr\/lib/ };
  assert.throws(() => merge(below, layer), refused);
  assert.throws(() => settle(layer, below), refused);
});

test("layers apply in their order", () => {
  const layers = [
    new FileTree().file("a", "1").file("b", "1"),
    new FileTree().whiteout("a"),
    new FileTree().file("a", "3"),
  ];
  assert.deepEqual(seen(mergeAll(layers)), { a: "file 3", b: "file 1" });
});
