/** The licence of a Debian package, read from the copyright file that it brings (Debian policy 12.5): `usr/share/doc/<package>/copyright`. */
import { dirname, join } from "node:path/posix";
import { readContent } from "../tree/content.ts";
import type { FileTree } from "../tree/file-tree.ts";
import { debianLicense } from "./license-expression.ts";

/** Longer ones (of browsers, say) are not read. */
const mostBytes = 4 * 1024 * 1024;

/** An SPDX expression; undefined where the file is missing, in prose, or too long. Folders and files of documentation may be links to another package's. */
export function installedLicense(tree: FileTree, packageName: string): string | undefined {
  const folder = followed(tree, `usr/share/doc/${packageName}`);
  const path = followed(tree, `${folder}/copyright`);
  const entry = tree.get(path);
  if (entry?.kind !== "file") return undefined;
  const size = "bytes" in entry.content ? entry.content.bytes.length : entry.content.sizeBytes;
  return size > mostBytes ? undefined : debianLicense(readContent(entry.content, mostBytes).toString());
}

function followed(tree: FileTree, path: string): string {
  const entry = tree.get(path);
  if (entry?.kind === "hardlink") return entry.target;
  if (entry?.kind !== "symlink") return path;
  const target = entry.target.startsWith("/") ? entry.target : join("/", dirname(path), entry.target);
  return join("/", target).slice(1);
}
