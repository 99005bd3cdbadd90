/** A file or folder that gets its name when it is whole and on the disk; until then, and after a failure, nothing is there. */
import { randomBytes } from "node:crypto";
import { rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { PlatformError } from "@liquidmetal/foundation";
import { syncFile, syncTree } from "../cache/durable.ts";

/** Lets `write` make the file or folder at a temporary path beside `path`, and renames it. DISK_FULL where that is the reason of a failure. */
export async function staged<T>(path: string, write: (temporary: string) => Promise<T>): Promise<T> {
  const target = resolve(path);
  const temporary = join(dirname(target), `.${basename(target)}.${randomBytes(6).toString("hex")}`);
  try {
    const result = await write(temporary);
    const made = await stat(temporary);
    await (made.isDirectory() ? syncTree(temporary) : syncFile(temporary));
    await rename(temporary, target);
    await syncFile(dirname(target));
    return result;
  } catch (error) {
    throw diskFull(error, path);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

export function diskFull(error: unknown, path: string): unknown {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code !== "ENOSPC" && code !== "EDQUOT" && code !== "EFBIG") return error;
  return new PlatformError("DISK_FULL", `${path} cannot be written: no space is left`, {
    cause: error,
    remedy: "free some space, or name a place on another disk",
  });
}
