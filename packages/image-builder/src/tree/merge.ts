/**
 * Laying a layer over a tree, as overlayfs and containerd do: additions, changes, whiteouts, opaque directories.
 *
 * A hard link is one file with several names: where a layer replaces or removes one of them, the others keep the old content. A directory that a layer
 * only implies changes nothing of the one below; where there is a symlink below, it is refused (IMAGE_BUILD_FAILED), because unpackers would replace
 * the link: with merged /usr that takes the whole system away.
 */
import { PlatformError } from "@liquidmetal/foundation";
import { FileTree, type TreeEntry } from "./file-tree.ts";

/** What is to be seen when `layer` lies over `below`: a tree without whiteouts. IMAGE_CORRUPT when a link of the layer leads nowhere. */
export function merge(below: FileTree, layer: FileTree): FileTree {
  const kept = below.size === 0 ? new Map<string, TreeEntry>() : whatStays(below, layer);
  promoteLinks(kept, below);
  const merged = new FileTree();
  for (const [path, entry] of kept) if (entry.kind !== "hardlink") merged.put(path, entry);
  for (const [path, entry] of layer.entries()) {
    if (entry.kind === "whiteout" || entry.kind === "hardlink") continue;
    if (entry.kind === "directory") putDirectory(merged, path, entry, layer.implied(path));
    else merged.put(path, entry);
  }
  for (const [path, entry] of kept) if (entry.kind === "hardlink") merged.put(path, entry);
  for (const [path, entry] of layer.entries()) if (entry.kind === "hardlink") putLink(merged, path, entry);
  return merged;
}

/** All layers, the lowest first. */
export const mergeAll = (layers: readonly FileTree[]): FileTree => layers.reduce(merge, new FileTree());

/**
 * A layer whose implied directories have mode, owner, time and attributes of those below, ready to be packed: unpackers take what a layer says of a
 * directory for its new state. IMAGE_BUILD_FAILED where what is below is no directory.
 */
export function settle(layer: FileTree, below: FileTree): FileTree {
  const settled = new FileTree();
  for (const [path, entry] of layer.entries()) {
    const under = layer.implied(path) ? below.get(path) : undefined;
    if (under !== undefined && under.kind !== "directory") throw replacesLink(path, under);
    settled.put(path, under ?? entry);
  }
  return settled;
}

function putDirectory(
  merged: FileTree,
  path: string,
  entry: TreeEntry & { kind: "directory" },
  implied: boolean,
): void {
  const { opaque: _opaque, ...plain } = entry;
  if (implied && merged.get(path) !== undefined) return;
  merged.put(path, plain);
}

function putLink(merged: FileTree, path: string, entry: TreeEntry & { kind: "hardlink" }): void {
  const target = merged.get(entry.target);
  const file = target?.kind === "hardlink" ? target.target : entry.target;
  const found = merged.get(file);
  if (found?.kind !== "file" || file === path) {
    throw new PlatformError(
      "IMAGE_CORRUPT",
      `${JSON.stringify(path)} is a hard link to ${JSON.stringify(entry.target)}, which is no file`,
    );
  }
  const { kind: _kind, content: _content, ...own } = found;
  merged.put(path, { kind: "hardlink", target: file, ...own });
}

/** Entries of `below` that neither the layer nor one of its whiteouts takes the place of. */
function whatStays(below: FileTree, layer: FileTree): Map<string, TreeEntry> {
  const stays = new Map<string, TreeEntry>();
  const gone = new Set<string>();
  for (const [path, entry] of below.entries()) {
    if (isHidden(path, layer, gone)) gone.add(path);
    else {
      const over = layer.get(path);
      const replaced = over !== undefined && (over.kind !== "directory" || entry.kind !== "directory");
      if (replaced && over.kind === "directory" && layer.implied(path)) throw replacesLink(path, entry);
      if (replaced) gone.add(path);
      else stays.set(path, entry);
    }
  }
  return stays;
}

/** Something above the path is gone, or hides what is in it. */
function isHidden(path: string, layer: FileTree, gone: ReadonlySet<string>): boolean {
  const slash = path.lastIndexOf("/");
  if (slash < 0) return false;
  const parent = path.slice(0, slash);
  if (gone.has(parent)) return true;
  const over = layer.get(parent);
  return over?.kind === "directory" && over.opaque === true;
}

/** Where the name that holds a file's content is gone, the first of its other names becomes the file. */
function promoteLinks(kept: Map<string, TreeEntry>, below: FileTree): void {
  const heirs = new Map<string, string>();
  for (const [path, entry] of kept) {
    if (entry.kind !== "hardlink" || kept.has(entry.target)) continue;
    const heir = heirs.get(entry.target);
    if (heir !== undefined) {
      kept.set(path, { ...entry, target: heir });
      continue;
    }
    const file = below.get(entry.target);
    if (file?.kind !== "file") continue;
    kept.set(path, file);
    heirs.set(entry.target, path);
  }
}

const replacesLink = (path: string, below: TreeEntry): PlatformError =>
  new PlatformError(
    "IMAGE_BUILD_FAILED",
    `${path} is a ${below.kind} in the layers below, and a layer puts something into it as if it were a directory`,
    below.kind === "symlink" ? { remedy: `write the path that ${path} leads to: ${below.target}` } : {},
  );
