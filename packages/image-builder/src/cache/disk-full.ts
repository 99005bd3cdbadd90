/** A full disk is its own failure: what to do about it has nothing to do with the recipe. */
import { statfs } from "node:fs/promises";
import { PlatformError } from "@liquidmetal/foundation";

/** Tools say it in words; every C library says it in these. */
const toolWords = /no space left on device|disk quota exceeded/i;
const codes: ReadonlySet<unknown> = new Set(["ENOSPC", "EDQUOT", "EFBIG"]);

/** DISK_FULL where that is the reason (ours, or a tool's), else the error itself. */
export async function diskFullOr(error: unknown, cacheDirectory: string): Promise<unknown> {
  if (!isDiskFull(error)) return error;
  const free = await statfs(cacheDirectory).then(
    ({ bavail, bsize }) => `, ${Math.floor((bavail * bsize) / 2 ** 20)} MiB are free there`,
    () => "",
  );
  const said = error instanceof Error ? error.message : String(error);
  return new PlatformError("DISK_FULL", `no space is left for the build (cache: ${cacheDirectory}${free}): ${said}`, {
    cause: error,
    remedy:
      "free some space ('lm image cache prune' removes what was built before), or build with a --cache-dir on a larger disk; what is finished already is kept",
    details: { cacheDirectory },
  });
}

/** Looks at the error and at what caused it. */
function isDiskFull(error: unknown): boolean {
  for (let current = error, depth = 0; current instanceof Error && depth < 8; current = current.cause, depth += 1) {
    if (current instanceof PlatformError && current.code === "DISK_FULL") return false;
    if ("code" in current && codes.has(current.code)) return true;
    if (toolWords.test(current.message)) return true;
  }
  return false;
}
