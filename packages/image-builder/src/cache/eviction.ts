/** Keeps the cache within its bound: the least recently used goes first, what somebody uses stays. */
import { mkdir, rename } from "node:fs/promises";
import { type CacheFolders, cacheFolders } from "./cache-folders.ts";
import { type CacheEntry, inventory, type StoredEntry, sizeOf } from "./inventory.ts";
import { evictedPath, type Lease, releaseKept, sweep, whileEvicting, whileNobodyBuilds } from "./lease.ts";
import { removeTree } from "./removal.ts";

/** 20 GiB. */
export const defaultMaxBytes: number = 20 * 1024 ** 3;

export interface PruneRequest {
  /** Default: `$XDG_CACHE_HOME/liquidmetal/images`. */
  readonly cacheDirectory?: string;
  /** Removes the least recently used until no more is left than this. */
  readonly maxBytes?: number;
  /** Removes what was not used for so long. */
  readonly olderThanMs?: number;
  /** Removes everything that nobody uses. */
  readonly all?: boolean;
  /** Only says what would be removed. */
  readonly dryRun?: boolean;
  readonly signal?: AbortSignal;
}

export interface Pruned {
  /** In the order of their removal. */
  readonly removed: readonly CacheEntry[];
  /** What the disk got back. */
  readonly freedBytes: number;
  /** What is left, and is in use where `all` was asked for. */
  readonly keptBytes: number;
}

export interface CacheUsage {
  readonly directory: string;
  /** Each file once, though images and layers share them. */
  readonly totalBytes: number;
  /** The bound that a build keeps to, unless its caller says another. */
  readonly defaultMaxBytes: number;
  readonly kinds: Readonly<Record<CacheEntry["kind"], { readonly entries: number; readonly sizeBytes: number }>>;
}

/** What the cache holds. */
export async function cacheUsage(cacheDirectory?: string): Promise<CacheUsage> {
  const folders = cacheFolders(cacheDirectory);
  const entries = await inventory(folders);
  const of = (kind: CacheEntry["kind"]): { readonly entries: number; readonly sizeBytes: number } => {
    const some = entries.filter((entry) => entry.kind === kind);
    return { entries: some.length, sizeBytes: sizeOf(some) };
  };
  const kinds = { image: of("image"), layer: of("layer"), download: of("download") };
  return { directory: folders.root, totalBytes: sizeOf(entries), defaultMaxBytes, kinds };
}

/** Every entry, the most recently used first. */
export async function listCache(cacheDirectory?: string): Promise<readonly CacheEntry[]> {
  const entries = await inventory(cacheFolders(cacheDirectory));
  return entries.map(described).sort((a, b) => b.usedAtMs - a.usedAtMs);
}

/** Removes entries; images that this process was given are no longer held. Without any bound it only removes what builds that died have left. */
export async function pruneCache(request: PruneRequest): Promise<Pruned> {
  const folders = cacheFolders(request.cacheDirectory);
  if (request.dryRun !== true) {
    await releaseKept(folders);
    await sweep(folders);
  }
  const entries = await inventory(folders);
  const oldest = Date.now() - (request.olderThanMs ?? Number.POSITIVE_INFINITY);
  const doomed = ({ usedAtMs }: StoredEntry): boolean => request.all === true || usedAtMs < oldest;
  const bound = request.maxBytes ?? Number.POSITIVE_INFINITY;
  return await remove(folders, entries, {
    doomed,
    bound,
    dryRun: request.dryRun === true,
    signal: request.signal,
    lease: undefined,
  });
}

/** After a build: down to the bound, if it is passed. */
export async function evictOldest(lease: Lease, maxBytes: number): Promise<void> {
  const { folders } = lease;
  const entries = await inventory(folders);
  if (sizeOf(entries) <= maxBytes) return;
  await remove(folders, entries, { doomed: () => false, bound: maxBytes, dryRun: false, signal: undefined, lease });
}

interface Removal {
  readonly doomed: (entry: StoredEntry) => boolean;
  readonly bound: number;
  readonly dryRun: boolean;
  readonly signal: AbortSignal | undefined;
  /** Of the build that does it. */
  readonly lease: Lease | undefined;
}

async function remove(folders: CacheFolders, entries: readonly StoredEntry[], how: Removal): Promise<Pruned> {
  const users = new Map<string, number>();
  for (const { inode } of entries.flatMap(({ files }) => files)) users.set(inode, (users.get(inode) ?? 0) + 1);
  const held = new Set(entries.filter(({ inUse }) => inUse).flatMap(({ files }) => files.map(({ inode }) => inode)));
  let left = sizeOf(entries);
  const before = left;
  const removed: CacheEntry[] = [];
  for (const entry of [...entries].sort((a, b) => a.usedAtMs - b.usedAtMs)) {
    how.signal?.throwIfAborted();
    if (entry.inUse || !(how.doomed(entry) || (left > how.bound && frees(entry, held)))) continue;
    const gone = how.dryRun || (await removeEntry(folders, entry, how.lease));
    if (!gone) continue;
    removed.push(described(entry));
    for (const { inode, sizeBytes } of entry.files) {
      const others = (users.get(inode) ?? 1) - 1;
      users.set(inode, others);
      if (others === 0) left -= sizeBytes;
    }
  }
  return { removed, freedBytes: before - left, keptBytes: left };
}

/** Whether the disk would get most of it back: a layer whose image is in use costs nothing, and saves work. */
function frees({ files, sizeBytes }: StoredEntry, held: ReadonlySet<string>): boolean {
  const freed = files.reduce((sum, file) => (held.has(file.inode) ? sum : sum + file.sizeBytes), 0);
  return 2 * freed > sizeBytes;
}

/** Out of sight by one rename, then gone; not at all when somebody has taken hold of it meanwhile. */
async function removeEntry(folders: CacheFolders, entry: StoredEntry, own: Lease | undefined): Promise<boolean> {
  const aside = evictedPath(folders);
  const move = async (): Promise<void> => {
    await mkdir(folders.work, { recursive: true });
    await rename(entry.path, aside);
  };
  try {
    const { kind, key } = entry;
    if (kind === "download") {
      if (!(await whileNobodyBuilds(folders, own, move))) return false;
    } else {
      const category = kind === "image" ? "images" : "layers";
      if (!(await whileEvicting(folders, { category, key }, move))) return false;
    }
    await removeTree(aside);
    return true;
  } catch (error) {
    // Somebody else removed it.
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return false;
    throw error;
  }
}

function described({ kind, key, name, sizeBytes, usedAtMs, inUse }: StoredEntry): CacheEntry {
  return { kind, key, name, sizeBytes, usedAtMs, inUse };
}
