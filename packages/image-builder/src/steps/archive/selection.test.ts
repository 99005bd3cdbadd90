import assert from "node:assert/strict";
import { test } from "node:test";
import { FileTree } from "../../tree/file-tree.ts";
import { selected } from "./selection.ts";

const archive = (): FileTree =>
  new FileTree()
    .directory("app-1.0/bin", { mode: 0o700 })
    .file("app-1.0/bin/app", "app", { mode: 0o755, uid: 1000, gid: 1000 })
    .symlink("app-1.0/bin/other", "../bin/app")
    .file("app-1.0/README.md", "read me");

const paths = (tree: FileTree): readonly string[] => [...tree.entries()].map(([path]) => path);

test("a file, a folder with all that lies in it, and everything", () => {
  const one = selected(archive(), { strip: 1, files: { "bin/app": "usr/bin/application" } });
  assert.deepEqual(paths(one), ["usr", "usr/bin", "usr/bin/application"]);
  const folder = selected(archive(), { strip: 1, files: { "bin/": "opt/app" } });
  assert.deepEqual(paths(folder), ["opt", "opt/app", "opt/app/app", "opt/app/other"]);
  assert.equal(folder.get("opt/app")?.mode, 0o700);
  const all = selected(archive(), { strip: 1, files: { "*": "." } });
  assert.deepEqual(paths(all), ["README.md", "bin", "bin/app", "bin/other"]);
});

test("all belongs to root, and modes can be set", () => {
  const entry = selected(archive(), { strip: 1, files: { "*": "x" }, mode: 0o500 }).get("x/bin/app");
  assert.deepEqual([entry?.uid, entry?.gid, entry?.mode], [0, 0, 0o500]);
});

test("what is not there is refused, with what is", () => {
  const files = { "bin/none": "usr/bin/none" };
  assert.throws(() => selected(archive(), { strip: 1, files }), /has no "bin\/none": it has .*"bin\/app"/);
  assert.throws(() => selected(archive(), { strip: 9, files: { "*": "." } }), /has no "\*"/);
});

test("links that lead out of the archive, devices and links to what was left out are refused", () => {
  const everything = { strip: 0, files: { "*": "." } };
  for (const target of ["/etc/shadow", "../../x", "../x/../../y"]) {
    const tree = new FileTree().symlink("a/link", target);
    assert.throws(() => selected(tree, everything), { code: "IMAGE_CORRUPT", message: /"a\/link" is a link to/ });
  }
  assert.throws(() => selected(new FileTree().characterDevice("null", 1, 3), everything), { code: "IMAGE_CORRUPT" });
  const linked = new FileTree().file("a/file", "x").hardlink("b/link", "a/file");
  assert.equal(selected(linked, everything).get("b/link")?.kind, "hardlink");
  assert.throws(() => selected(linked, { strip: 0, files: { b: "b" } }), /which was not chosen/);
});
