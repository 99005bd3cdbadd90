/**
 * Which entries of an archive go where in the image: leading folders are left out, a chosen folder comes with all that lies in it.
 *
 * Everything belongs to root: who packed it is nobody of the image. Links that lead out of the archive are refused: whoever wrote them means files of
 * the machine that it was packed on.
 */
import { posix } from "node:path";
import { PlatformError } from "@liquidmetal/foundation";
import { FileTree, type TreeEntry } from "../../tree/file-tree.ts";

export interface Selection {
  readonly strip: number;
  /** Path in the archive, or `*`: path in the image. */
  readonly files: Readonly<Record<string, string>>;
  /** Of every file; default: the archive's. */
  readonly mode?: number;
}

/** IMAGE_BUILD_FAILED when a chosen path is not in the archive. */
export function selected(archive: FileTree, { strip, files, mode }: Selection): FileTree {
  const entries = [...archive.entries()].flatMap(([path, entry]) => {
    const kept = path.split("/").slice(strip).join("/");
    return kept === "" ? [] : [{ path: kept, entry }];
  });
  const tree = new FileTree();
  /** Path in the image by path in the archive: where a hard link's file went. */
  const placed = new Map<string, string>();
  for (const [wanted, destination] of Object.entries(files)) {
    const from = wanted === "*" ? "" : posix.normalize(wanted).replace(/\/$/, "");
    let count = 0;
    for (const { path, entry } of entries) {
      const rest = restOf(path, from);
      if (rest === undefined) continue;
      count += 1;
      const to = posix.join(destination, rest);
      if (to === "." || to === "/") continue;
      put(tree, to, path, entry, { mode, placed, strip });
      placed.set(path, to);
    }
    if (count === 0)
      throw missing(
        wanted,
        entries.map(({ path }) => path),
      );
  }
  return tree;
}

interface Placing {
  readonly mode: number | undefined;
  readonly placed: ReadonlyMap<string, string>;
  readonly strip: number;
}

function put(tree: FileTree, to: string, path: string, entry: TreeEntry, { mode, placed, strip }: Placing): void {
  const own = {
    mode: entry.kind === "file" ? (mode ?? entry.mode) : entry.mode,
    ...(entry.mtimeSeconds !== undefined && { mtimeSeconds: entry.mtimeSeconds }),
    ...(entry.xattrs !== undefined && { xattrs: entry.xattrs }),
  };
  switch (entry.kind) {
    case "directory":
      tree.directory(to, own);
      return;
    case "file":
      tree.file(to, entry.content, own);
      return;
    case "symlink":
      refuseEscape(path, entry.target);
      tree.symlink(to, entry.target, own);
      return;
    case "hardlink": {
      const target = placed.get(entry.target.split("/").slice(strip).join("/"));
      if (target === undefined) throw refused(path, `a hard link to ${entry.target}, which was not chosen`);
      tree.hardlink(to, target);
      return;
    }
    default:
      throw refused(path, `a ${entry.kind}`);
  }
}

/** What remains of `path` below `from`; "" when it is that itself; undefined when it lies elsewhere. */
function restOf(path: string, from: string): string | undefined {
  if (from === "" || from === ".") return path;
  if (path === from) return "";
  return path.startsWith(`${from}/`) ? path.slice(from.length + 1) : undefined;
}

function refuseEscape(path: string, target: string): void {
  const reached = posix.normalize(posix.join(posix.dirname(path), target));
  if (target.startsWith("/") || reached === ".." || reached.startsWith("../")) {
    throw refused(path, `a link to ${target}, which leads out of the archive`);
  }
}

const refused = (path: string, why: string): PlatformError =>
  new PlatformError("IMAGE_CORRUPT", `the archive is refused: ${JSON.stringify(path)} is ${why}`);

function missing(wanted: string, paths: readonly string[]): PlatformError {
  const shown = paths.slice(0, 10).map((path) => JSON.stringify(path));
  const more = paths.length > shown.length ? `, and ${paths.length - shown.length} more` : "";
  return new PlatformError(
    "IMAGE_BUILD_FAILED",
    `the archive has no ${JSON.stringify(wanted)}: it has ${shown.join(", ")}${more}`,
    {
      remedy: "correct files or strip in the recipe",
    },
  );
}
