import assert from "node:assert/strict";
import { test } from "node:test";
import { FileTree } from "./file-tree.ts";

const paths = (tree: FileTree): string[] => [...tree.entries()].map(([path]) => path);

test("parents are there, paths are normalised, hard links come after everything else", () => {
  const tree = new FileTree()
    .file("/usr//bin/./b", "x")
    .hardlink("usr/bin/a", "usr/bin/b")
    .directory("etc", { mode: 0o700 });
  assert.deepEqual(paths(tree), ["etc", "usr", "usr/bin", "usr/bin/b", "usr/bin/a"]);
  assert.equal(tree.get("etc")?.mode, 0o700);
});

test("a path that leaves the tree is refused", () => {
  for (const path of ["../x", "a/../../x", "/", "", "a\0b"]) {
    assert.throws(() => new FileTree().file(path, "x"), { code: "IMAGE_BUILD_FAILED" });
  }
});

test("a file below a link is refused: with merged /usr it would replace the link by a directory", () => {
  const tree = new FileTree().symlink("lib", "usr/lib");
  assert.throws(() => tree.file("lib/libc.so.6", "x"), /lib, which is a symlink/);
  assert.throws(() => tree.directory("lib"), /both a directory and a symlink/);
});

test("a hard link to what is not there is refused", () => {
  assert.throws(() => new FileTree().directory("d").hardlink("a", "d"), { code: "IMAGE_BUILD_FAILED" });
});
