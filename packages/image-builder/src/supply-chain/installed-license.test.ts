import assert from "node:assert/strict";
import { test } from "node:test";
import { FileTree } from "../tree/file-tree.ts";
import { installedLicense } from "./installed-license.ts";

const copyright = "Format: https://example.test/1.0/\n\nFiles: *\nLicense: GPL-2+\n";

test("a package's copyright file is read, through links to another package's as well", () => {
  const tree = new FileTree()
    .file("usr/share/doc/libc6/copyright", copyright)
    .symlink("usr/share/doc/libc-bin", "libc6")
    .symlink("usr/share/doc/locales/copyright", "../libc6/copyright")
    .symlink("usr/share/doc/out/copyright", "../../../../../../etc/passwd");
  assert.equal(installedLicense(tree, "libc6"), "GPL-2.0-or-later");
  assert.equal(installedLicense(tree, "libc-bin"), "GPL-2.0-or-later");
  assert.equal(installedLicense(tree, "locales"), "GPL-2.0-or-later");
  assert.equal(installedLicense(tree, "out"), undefined);
  assert.equal(installedLicense(tree, "none"), undefined);
});
