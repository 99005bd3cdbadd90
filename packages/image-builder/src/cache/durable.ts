/** Nothing counts as kept before it is on the disk: files first, then the directories that name them. */
import { open, readdir } from "node:fs/promises";
import { join } from "node:path";

export async function syncFile(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** A directory and everything below it; `skip` names files that were synced under another name (hard links). */
export async function syncTree(directory: string, skip: ReadonlySet<string> = new Set()): Promise<void> {
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) await syncTree(path, skip);
    else if (!skip.has(path)) await syncFile(path);
  }
  await syncFile(directory);
}
