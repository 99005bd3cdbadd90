/** Files of a recipe as they lie on disk: what is there, its digest, and how it becomes part of a tree. */
import { createHash } from "node:crypto";
import { readlinkSync } from "node:fs";
import { lstat } from "node:fs/promises";
import { PlatformError } from "@liquidmetal/foundation";
import { ContentReader, chunkBytes, turn } from "../../tree/content.ts";
import type { FileTree, Ownership } from "../../tree/file-tree.ts";
import { type HostEntry, walk } from "../../tree/host-files.ts";
import { bytesOfText, pathOnDisk, textOfBytes } from "../../tree/path-bytes.ts";

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

/**
 * `sha256:` over names, kinds, permission bits, links and contents; times and owners do not count. What was digested once and has not been touched since,
 * as its inode tells, is not read again.
 */
export async function sourceDigest(entries: readonly HostEntry[], signal: AbortSignal): Promise<string> {
  const root = entries[0]?.hostPath ?? "";
  const state = stateOf(entries);
  const known = digested.get(root);
  if (state !== undefined && known?.state === state) return known.digest;
  const digest = await read(entries, signal);
  if (digested.size >= mostDigested) digested.clear();
  if (state !== undefined) digested.set(root, { state, digest });
  return digest;
}

const digested = new Map<string, { readonly state: string; readonly digest: string }>();
const mostDigested = 64;
/** A file that changes twice within a tick of the kernel's clock keeps its time: what is so young is always read. */
const settledAfterMs = 1000;

/** Undefined where something is too young to tell. */
function stateOf(entries: readonly HostEntry[]): string | undefined {
  const hash = createHash("sha256");
  const now = Date.now();
  for (const { path, stats } of entries) {
    if (now - stats.ctimeMs < settledAfterMs) return undefined;
    hash.update(`${path}\0${stats.dev} ${stats.ino} ${stats.mode} ${stats.size} ${stats.mtimeMs} ${stats.ctimeMs}\0`);
  }
  return hash.digest("hex");
}

async function read(entries: readonly HostEntry[], signal: AbortSignal): Promise<string> {
  const hash = createHash("sha256");
  const buffer = Buffer.allocUnsafe(chunkBytes);
  const names = new HardLinks();
  using reader = new ContentReader();
  let sinceTurn = 0;
  for (const entry of entries) {
    const { path, hostPath, stats } = entry;
    const other = names.other(entry);
    const kind = stats.isDirectory() ? "d" : stats.isSymbolicLink() ? "l" : other === undefined ? "f" : "h";
    hash.update(`${kind}\0`).update(bytesOfText(path)).update("\0");
    if (kind !== "l") hash.update(`${(stats.mode & 0o7777).toString(8)}\0`);
    if (kind === "l") hash.update(readlinkSync(pathOnDisk(hostPath), "buffer")).update("\0");
    else if (other !== undefined) hash.update(bytesOfText(other)).update("\0");
    else if (kind === "f") {
      hash.update(`${stats.size}\0`);
      for (let at = 0; at < stats.size; at += chunkBytes) {
        const chunk = buffer.subarray(0, Math.min(chunkBytes, stats.size - at));
        reader.read({ file: hostPath, sizeBytes: stats.size }, at, chunk);
        hash.update(chunk);
        sinceTurn += chunk.length;
        if (sinceTurn > bytesPerTurn) sinceTurn = await turn(signal).then(() => 0);
      }
    }
    sinceTurn += bytesPerTurn / 256;
    if (sinceTurn > bytesPerTurn) sinceTurn = await turn(signal).then(() => 0);
  }
  return `sha256:${hash.digest("hex")}`;
}

const bytesPerTurn = 4 * 1024 * 1024;

/** Files of a source that have several names in it. */
class HardLinks {
  readonly #first = new Map<string, string>();

  /** The name under which the file of this entry has come before. */
  other({ path, stats }: HostEntry): string | undefined {
    if (!stats.isFile() || stats.nlink < 2) return undefined;
    const file = `${stats.dev} ${stats.ino}`;
    const first = this.#first.get(file);
    if (first === undefined) this.#first.set(file, path);
    return first;
  }
}

/** Adds the entries below `path`; `own.mode` holds for the source itself, and for the files of a folder not at all. */
export function addSource(tree: FileTree, path: string, entries: readonly HostEntry[], own: Ownership): void {
  const { mode, ...owner } = own;
  const names = new HardLinks();
  const below = (relative: string): string => (relative === "" ? path : `${path}/${relative}`);
  for (const entry of entries) {
    const { hostPath, stats } = entry;
    const at = below(entry.path);
    const bits = entry.path === "" && mode !== undefined ? mode : stats.mode & 0o7777;
    const other = names.other(entry);
    if (stats.isDirectory()) tree.directory(at, { ...owner, mode: bits });
    else if (stats.isSymbolicLink()) tree.symlink(at, textOfBytes(readlinkSync(pathOnDisk(hostPath), "buffer")), owner);
    else if (other !== undefined) tree.hardlink(at, below(other));
    else tree.file(at, { file: hostPath, sizeBytes: stats.size }, { ...owner, mode: bits });
  }
}

const refused = (path: string, why: string): PlatformError =>
  new PlatformError("RECIPE_INVALID", `the source ${path} ${why}`);
