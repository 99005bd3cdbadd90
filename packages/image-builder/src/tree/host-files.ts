/** Takes files of this machine into a tree: unpacked packages, and the guest's own programs. */
import { lstatSync, readdirSync, type Stats } from "node:fs";
import { lstat, readlink } from "node:fs/promises";
import { join } from "node:path";
import { turn } from "./content.ts";
import type { FileTree } from "./file-tree.ts";
import { byPath, pathOnDisk, textOfBytes } from "./path-bytes.ts";

export interface HostEntry {
  /** Relative to the directory that is read. */
  readonly path: string;
  readonly hostPath: string;
  readonly stats: Stats;
}

/**
 * Everything below a directory, sorted by path; links are not followed. Names that are not UTF-8 are escaped, in `path` and in `hostPath`: give the latter
 * to `pathOnDisk` before it is used. Reads synchronously, for the reason that content.ts gives, and lets the event loop have its turn after each directory.
 */
export async function* walk(directory: string, prefix = ""): AsyncGenerator<HostEntry> {
  await turn();
  for (const name of namesIn(directory)) {
    const hostPath = join(directory, name);
    const path = prefix === "" ? name : `${prefix}/${name}`;
    const stats = lstatSync(pathOnDisk(hostPath));
    yield { path, hostPath, stats };
    if (stats.isDirectory()) yield* walk(hostPath, path);
  }
}

function namesIn(directory: string): string[] {
  const onDisk = pathOnDisk(directory);
  const names = readdirSync(onDisk, "utf8");
  // Node puts U+FFFD in place of what is not UTF-8: only then it is worth to look at the bytes.
  const odd = names.some((name) => name.includes("\uFFFD"));
  return (odd ? readdirSync(onDisk, "buffer").map(textOfBytes) : names).sort(byPath);
}

/** Adds one file or symlink as `path`, with its permission bits, owned by 0:0. Contents stay on disk until the tree is packed. */
export async function addHostFile(tree: FileTree, path: string, hostPath: string, mode?: number): Promise<void> {
  const stats = await lstat(hostPath);
  if (stats.isSymbolicLink()) {
    tree.symlink(path, await readlink(hostPath));
    return;
  }
  tree.file(path, { file: hostPath, sizeBytes: stats.size }, { mode: mode ?? stats.mode & 0o7777 });
}
