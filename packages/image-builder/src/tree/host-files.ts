/** Takes files of this machine into a tree: unpacked packages, and the guest's own programs. */
import type { Stats } from "node:fs";
import { lstat, readdir, readlink } from "node:fs/promises";
import { join } from "node:path";
import type { FileTree } from "./file-tree.ts";

export interface HostEntry {
  /** Relative to the directory that is read. */
  readonly path: string;
  readonly hostPath: string;
  readonly stats: Stats;
}

/** Everything below a directory, sorted by path; links are not followed. */
export async function* walk(directory: string, prefix = ""): AsyncGenerator<HostEntry> {
  const names = (await readdir(directory)).sort();
  for (const name of names) {
    const hostPath = join(directory, name);
    const path = prefix === "" ? name : `${prefix}/${name}`;
    const stats = await lstat(hostPath);
    yield { path, hostPath, stats };
    if (stats.isDirectory()) yield* walk(hostPath, path);
  }
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
