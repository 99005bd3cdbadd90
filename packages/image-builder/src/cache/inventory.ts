/**
 * What lies in the cache, how large it is, when it was used last, and whether somebody uses it now.
 *
 * Images share the blobs of their layers (hard links): a file counts once, and removing an entry frees what no other entry has.
 */
import type { Dirent, Stats } from "node:fs";
import { lstat, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { type CacheFolders, type Category, ownFolders } from "./cache-folders.ts";
import { livePins } from "./lease.ts";
import { imageEntry, layerEntry } from "./records.ts";

/** `download`: what a kind of step keeps for itself: packages, compiled programs. */
export type CacheEntryKind = "image" | "layer" | "download";

export interface CacheEntry {
  readonly kind: CacheEntryKind;
  readonly key: string;
  /** Recipe, and of layers their name; of downloads their path in the cache. */
  readonly name: string;
  /** Of everything in it, shared with other entries or not. */
  readonly sizeBytes: number;
  readonly usedAtMs: number;
  /** A build that runs, or a caller that was given it, holds it. */
  readonly inUse: boolean;
}

export interface StoredEntry extends CacheEntry {
  readonly path: string;
  readonly files: readonly { readonly inode: string; readonly sizeBytes: number }[];
}

export async function inventory(folders: CacheFolders): Promise<readonly StoredEntry[]> {
  const pins = new Set((await livePins(folders)).map(({ category, key }) => `${category}/${key}`));
  const entries: StoredEntry[] = [];
  for (const [kind, { category, recordName }] of [
    ["image", imageEntry],
    ["layer", layerEntry],
  ] as const) {
    for (const key of await names(folders[category])) {
      const path = join(folders[category], key);
      const record = join(path, recordName);
      const stored = await measure(path);
      const used = await lstat(record).catch(() => undefined);
      if (stored === undefined) continue;
      const inUse = pins.has(`${category}/${key}`);
      const name = await nameOf(record, category);
      entries.push({ kind, key, name, usedAtMs: used?.mtimeMs ?? 0, inUse, path, ...stored });
    }
  }
  for (const folder of await names(folders.root)) {
    if (ownFolders.includes(folder)) continue;
    for (const unit of await units(join(folders.root, folder))) {
      const stored = await measure(unit.path);
      const key = unit.path.slice(folders.root.length + 1);
      if (stored === undefined) continue;
      entries.push({
        kind: "download",
        key,
        name: key,
        usedAtMs: usedAt(unit.stats),
        inUse: false,
        ...unit,
        ...stored,
      });
    }
  }
  return entries;
}

/** Bytes on disk of several entries, each file once. */
export function sizeOf(entries: readonly StoredEntry[]): number {
  const files = new Map(entries.flatMap((entry) => entry.files.map(({ inode, sizeBytes }) => [inode, sizeBytes])));
  return [...files.values()].reduce((sum, bytes) => sum + bytes, 0);
}

/** Files and folders that are kept or removed whole: files, folders named by a key, and whatever lies three levels down. */
async function units(
  path: string,
  depth: number = 1,
): Promise<readonly { readonly path: string; readonly stats: Stats }[]> {
  const stats = await lstat(path).catch(() => undefined);
  if (stats === undefined) return [];
  const keyed = /[0-9a-f]{16}/.test(path.slice(path.lastIndexOf("/") + 1));
  if (!stats.isDirectory() || keyed || depth > 3) return [{ path, stats }];
  const inner = await Promise.all((await names(path)).map((name) => units(join(path, name), depth + 1)));
  return inner.flat();
}

async function measure(path: string): Promise<Pick<StoredEntry, "sizeBytes" | "files"> | undefined> {
  try {
    const files: { readonly inode: string; readonly sizeBytes: number }[] = [];
    const visit = async (file: string): Promise<void> => {
      const stats = await lstat(file, { bigint: true });
      // What it takes on the disk: a sparse file takes less than it is long, a small one a whole block.
      files.push({ inode: `${stats.dev}:${stats.ino}`, sizeBytes: Number(stats.blocks) * 512 });
      if (stats.isDirectory()) for (const name of await readdir(file)) await visit(join(file, name));
    };
    await visit(path);
    return { files, sizeBytes: files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) };
  } catch (error) {
    // Removed meanwhile by somebody else.
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}

async function nameOf(record: string, category: Category): Promise<string> {
  try {
    const { recipe, name, references } = JSON.parse(await readFile(record, "utf8"));
    return category === "images" ? String(references[0]) : `${recipe} ${name}`;
  } catch {
    return "damaged";
  }
}

const usedAt = ({ atimeMs, mtimeMs }: Stats): number => Math.max(atimeMs, mtimeMs);

async function names(path: string): Promise<readonly string[]> {
  const entries: readonly Dirent[] = await readdir(path, { withFileTypes: true }).catch(() => []);
  return entries.map(({ name }) => name).sort();
}
