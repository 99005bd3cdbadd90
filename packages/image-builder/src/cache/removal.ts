/**
 * Removes a folder whatever permissions are in it: Go's module cache, for one, is all read-only.
 *
 * Never anything that is mounted: what a killed step left mounted may be this machine's own root.
 */
import { chmod, lstat, readdir, readFile, realpath, rm } from "node:fs/promises";
import { join } from "node:path";

/** What cannot be removed stays (files of another user, something mounted below): a later build tries again. */
export async function removeTree(path: string): Promise<void> {
  if (await hasMounts(path)) return;
  try {
    await rm(path, { recursive: true, force: true });
  } catch {
    await makeWritable(path).catch(() => {});
    await rm(path, { recursive: true, force: true }).catch(() => {});
  }
}

async function hasMounts(path: string): Promise<boolean> {
  const real = await realpath(path).catch(() => path);
  const mounts = mountPoints(await readFile("/proc/self/mountinfo", "latin1").catch(() => ""));
  return mounts.some((mount) => mount === real || mount.startsWith(`${real}/`));
}

/** Fifth field of each line of mountinfo(5); blanks and backslashes in it are octal. */
export function mountPoints(mountinfo: string): readonly string[] {
  return mountinfo.split("\n").flatMap((line) => {
    const field = line.split(" ")[4];
    if (field === undefined) return [];
    const raw = field.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
    return [Buffer.from(raw, "latin1").toString()];
  });
}

async function makeWritable(path: string): Promise<void> {
  const stats = await lstat(path);
  if (!stats.isDirectory()) return;
  await chmod(path, 0o700);
  for (const name of await readdir(path)) await makeWritable(join(path, name));
}
