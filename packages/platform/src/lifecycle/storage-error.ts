/** What the file system refused, in words for whoever runs `lm up`: which file, and what to do. */
import { PlatformError } from "@liquidmetal/foundation";
import type { PlatformPaths } from "../paths.ts";

const reasons: Readonly<Record<string, readonly [what: string, remedy: (paths: PlatformPaths) => string]>> = {
  ENOSPC: [
    "there is no space left",
    ({ stateDirectory }) => `make room: df ${stateDirectory}; what takes it: du -xsh ${stateDirectory}/*`,
  ],
  EDQUOT: [
    "a quota is used up",
    ({ stateDirectory }) => `raise the quota of ${stateDirectory}, or choose another --state-dir`,
  ],
  EROFS: [
    "the file system is read-only",
    () => "mount it writable; if it was, look at dmesg: the kernel does this after errors of the disk",
  ],
  EIO: ["the disk fails", () => "look at dmesg; the data may have to come from a backup"],
};

/** The error itself where it is none of these. Storage that is full can be made room on: the next `lm up` goes on where this one ended. */
export function storageError(error: unknown, paths: PlatformPaths): unknown {
  if (error instanceof PlatformError || !(error instanceof Error && "code" in error)) return error;
  const reason = reasons[String(error.code)];
  if (reason === undefined) return error;
  const file = "dest" in error ? error.dest : "path" in error ? error.path : undefined;
  const where = typeof file === "string" ? file : paths.stateDirectory;
  const code = error.code === "ENOSPC" || error.code === "EDQUOT" ? "DISK_FULL" : "INTERNAL";
  return new PlatformError(code, `${where} cannot be written: ${reason[0]}`, { remedy: reason[1](paths) });
}
