/**
 * The files of unpacked packages by the path that they have in a system with merged /usr: what a package ships as `bin/sh` is found as `usr/bin/sh`.
 */
import { PlatformError } from "@liquidmetal/foundation";
import { type HostEntry, walk } from "../tree/host-files.ts";
import type { UnpackedPackage } from "./unpacking.ts";

export interface PackageFile extends HostEntry {
  /** Path in a system with merged /usr, without a leading slash. */
  readonly path: string;
  readonly package: UnpackedPackage;
}

/** `/lib…`, `/bin`, `/sbin` are links into `/usr`: a file put at the old path would replace the link by a directory, and init is gone. */
export const usrMerged = (path: string): string =>
  path.replace(/^\/?(bin|sbin|lib|lib32|lib64|libx32)(?=\/|$)/, "usr/$1");

/** All files, links and directories, by path. Where two packages have one path, the later in apt's order of installation counts. */
export async function packageFiles(
  packages: readonly UnpackedPackage[],
  signal?: AbortSignal,
): Promise<ReadonlyMap<string, PackageFile>> {
  const files = new Map<string, PackageFile>();
  for (const one of packages) {
    signal?.throwIfAborted();
    for await (const entry of walk(one.directory)) {
      const path = usrMerged(entry.path);
      if (entry.stats.isDirectory() && files.has(path)) continue;
      files.set(path, { ...entry, path, package: one });
    }
  }
  return files;
}

/** A file that was chosen, and where it goes. */
export interface ChosenFile {
  readonly file: PackageFile;
  readonly destination: string;
}

/**
 * What `pattern` names: a path (with all that lies below it, if it is a directory), or a pattern with `*`, `?` (within one folder) and `**` (any
 * depth). `destination` ending in a slash, `.`, or for a pattern: a folder, in which paths keep what follows the part before the first wildcard.
 *
 * Errors: IMAGE_BUILD_FAILED when nothing has such a path; it names paths that end alike.
 */
export function chooseFiles(
  files: ReadonlyMap<string, PackageFile>,
  pattern: string,
  destination: string,
): readonly ChosenFile[] {
  const wild = /[*?]/.test(pattern);
  const folder = wild || destination === "." || destination.endsWith("/");
  const fixed = wild ? pattern.replace(/[^/]*[*?].*$/, "") : pattern.replace(/[^/]*$/, "");
  const wanted = wild ? globExpression(pattern) : undefined;
  const chosen: ChosenFile[] = [];
  for (const [path, file] of files) {
    const hit = wanted?.test(path) ?? (path === pattern || path.startsWith(`${pattern}/`));
    if (!hit) continue;
    const rest = folder ? path.slice(fixed.length) : path.slice(pattern.length);
    const base = destination.replace(/\/+$/, "").replace(/^\.$/, "");
    chosen.push({
      file,
      destination: folder ? [base, rest].filter((part) => part !== "").join("/") : `${base}${rest}`,
    });
  }
  if (chosen.length > 0) return chosen;
  const name = pattern.slice(pattern.lastIndexOf("/") + 1);
  const alike = [...files.keys()].filter((path) => path.endsWith(`/${name}`)).slice(0, 5);
  throw new PlatformError(
    "IMAGE_BUILD_FAILED",
    `none of the packages has ${pattern}${alike.length > 0 ? `; there is ${alike.join(", ")}` : ""}`,
  );
}

/** `*` and `?` do not cross a slash, `**` does. */
export function globExpression(pattern: string): RegExp {
  const parts = pattern.split(/(\*\*\/?|\*|\?)/).map((part) => {
    if (part === "**/") return "(?:.*/)?";
    if (part === "**") return ".*";
    if (part === "*") return "[^/]*";
    if (part === "?") return "[^/]";
    return part.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
  });
  return new RegExp(`^${parts.join("")}$`, "s");
}
