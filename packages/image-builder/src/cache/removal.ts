/** Removes a folder whatever permissions are in it: Go's module cache, for one, is all read-only. */
import { chmod, lstat, readdir, rm } from "node:fs/promises";
import { join } from "node:path";

/** What cannot be removed stays (files of another user, something mounted): a later build tries again. */
export async function removeTree(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true });
  } catch {
    await makeWritable(path).catch(() => {});
    await rm(path, { recursive: true, force: true }).catch(() => {});
  }
}

async function makeWritable(path: string): Promise<void> {
  const stats = await lstat(path);
  if (!stats.isDirectory()) return;
  await chmod(path, 0o700);
  for (const name of await readdir(path)) await makeWritable(join(path, name));
}
