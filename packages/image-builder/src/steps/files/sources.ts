/** Files of a recipe as they lie on disk: what is there, its digest, and how it becomes part of a tree. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { lstat, readlink } from "node:fs/promises";
import { PlatformError } from "@liquidmetal/foundation";
import type { FileTree, Ownership } from "../../tree/file-tree.ts";
import { type HostEntry, walk } from "../../tree/host-files.ts";

/** More files in one source are a mistake of somebody who named the wrong folder. */
const maxSourceEntries = 200_000;

/** The entries of a file or folder, itself first (path ""). Sockets and the like are refused. */
export async function sourceEntries(hostPath: string, signal: AbortSignal): Promise<readonly HostEntry[]> {
  const stats = await lstat(hostPath);
  const entries: HostEntry[] = [{ path: "", hostPath, stats }];
  if (stats.isDirectory()) {
    for await (const entry of walk(hostPath)) {
      signal.throwIfAborted();
      if (entries.length >= maxSourceEntries) throw refused(hostPath, `has more than ${maxSourceEntries} entries`);
      entries.push(entry);
    }
  }
  const odd = entries.find(({ stats: one }) => !one.isFile() && !one.isDirectory() && !one.isSymbolicLink());
  if (odd !== undefined) throw refused(odd.hostPath, "is neither a file nor a folder nor a link");
  return entries;
}

/** `sha256:` over names, kinds, permission bits and contents; times and owners do not count. */
export async function sourceDigest(entries: readonly HostEntry[], signal: AbortSignal): Promise<string> {
  const hash = createHash("sha256");
  for (const { path, hostPath, stats } of entries) {
    signal.throwIfAborted();
    const kind = stats.isDirectory() ? "d" : stats.isSymbolicLink() ? "l" : "f";
    hash.update(`${kind}\0${path}\0${kind === "l" ? "" : (stats.mode & 0o7777).toString(8)}\0`);
    if (kind === "f") {
      hash.update(`${stats.size}\0`);
      for await (const chunk of createReadStream(hostPath)) hash.update(chunk as Buffer);
    } else if (kind === "l") hash.update(`${await readlink(hostPath)}\0`);
  }
  return `sha256:${hash.digest("hex")}`;
}

/** Adds the entries below `path`; `own.mode` holds for the source itself, and for the files of a folder not at all. */
export async function addSource(
  tree: FileTree,
  path: string,
  entries: readonly HostEntry[],
  own: Ownership,
): Promise<void> {
  const { mode, ...owner } = own;
  for (const entry of entries) {
    const at = entry.path === "" ? path : `${path}/${entry.path}`;
    const bits = entry.path === "" && mode !== undefined ? mode : entry.stats.mode & 0o7777;
    if (entry.stats.isDirectory()) tree.directory(at, { ...owner, mode: bits });
    else if (entry.stats.isSymbolicLink()) tree.symlink(at, await readlink(entry.hostPath), owner);
    else tree.file(at, { file: entry.hostPath, sizeBytes: entry.stats.size }, { ...owner, mode: bits });
  }
}

const refused = (path: string, why: string): PlatformError =>
  new PlatformError("RECIPE_INVALID", `the source ${path} ${why}`);
