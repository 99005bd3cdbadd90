/**
 * Keeps a log that someone else appends to within bounds: beyond the cap its content is copied to `<path>.1` and it is truncated in place.
 *
 * The writer has it open for appending (O_APPEND), so it goes on at the new end. The folder belongs to the writer's own user, who must not be able to turn us
 * against other files: links are not followed, and only plain files of one name are touched.
 */
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";

export async function boundLog(path: string, bytesMax: number = 1024 * 1024): Promise<void> {
  await using file = await openPlain(path, constants.O_RDWR);
  if (file === undefined || (await file.stat()).size <= bytesMax) return;
  const stat = await file.stat();
  await using older = await openPlain(`${path}.1`, constants.O_RDWR | constants.O_CREAT);
  if (older !== undefined) {
    const content = Buffer.alloc(bytesMax);
    const { bytesRead } = await file.read(content, 0, bytesMax, stat.size - bytesMax);
    await older.truncate(0);
    await older.write(content, 0, bytesRead, 0);
    await older.chown(stat.uid, stat.gid);
  }
  await file.truncate(0);
}

/** The last lines of a log, for an error's text; empty when it cannot be read. */
export async function tailOfLog(path: string, bytesMax: number = 2_048): Promise<string> {
  await using file = await openPlain(path, constants.O_RDONLY);
  if (file === undefined) return "";
  const { size } = await file.stat();
  const { buffer, bytesRead } = await file.read(Buffer.alloc(bytesMax), 0, bytesMax, Math.max(0, size - bytesMax));
  return buffer.subarray(0, bytesRead).toString("utf8").trim().split("\n").slice(-4).join("; ");
}

async function openPlain(path: string, flags: number): Promise<FileHandle | undefined> {
  try {
    const file = await open(path, flags | constants.O_NOFOLLOW | constants.O_NONBLOCK, 0o600);
    const stat = await file.stat();
    if (stat.isFile() && stat.nlink === 1) return file;
    await file.close();
  } catch {
    // Not there, or not to be touched.
  }
  return undefined;
}
