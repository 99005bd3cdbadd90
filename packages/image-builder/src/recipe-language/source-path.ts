/**
 * Where a `source` of a recipe lies on this machine: below the recipe's own folder, or below `guest/` as `guest:…`, and nowhere else.
 *
 * A recipe that was fetched from somewhere must not be able to put this machine's files into an image: absolute paths, `..` and links that lead out
 * of the folder are refused.
 */
import { realpath } from "node:fs/promises";
import { join, sep } from "node:path";
import { PlatformError } from "@liquidmetal/foundation";

export interface SourceFolders {
  readonly recipeDirectory: string;
  readonly guestDirectory: string;
}

const guestPrefix = "guest:";

/** The real path of a file or folder. Errors: RECIPE_INVALID when it is not there or not below its folder. */
export async function sourcePath(source: string, folders: SourceFolders): Promise<string> {
  const fromGuest = source.startsWith(guestPrefix);
  const path = fromGuest ? source.slice(guestPrefix.length) : source;
  const base = fromGuest ? folders.guestDirectory : folders.recipeDirectory;
  const where = fromGuest ? "the folder guest/" : "the recipe's folder";
  if (path.startsWith("/")) throw bad(source, `is absolute: sources are relative to ${where}`);
  if (path.split("/").includes("..")) throw bad(source, `has ..: sources lie in ${where}`);
  if (path === "" || path.includes("\0")) throw bad(source, "is no path");
  const real = await realpath(join(base, path)).catch((error: NodeJS.ErrnoException) => {
    throw bad(source, error.code === "ENOENT" ? `is not there (looked in ${base})` : `cannot be read: ${error.code}`);
  });
  const root = await realpath(base);
  if (real !== root && !real.startsWith(root === sep ? sep : `${root}${sep}`)) {
    throw bad(source, `is a link that leads out of ${where}`);
  }
  return real;
}

const bad = (source: string, why: string): PlatformError =>
  new PlatformError("RECIPE_INVALID", `the source ${JSON.stringify(source)} ${why}`, { details: { source } });
