/**
 * From a tar to a tree whose contents are slices of that tar: nothing is unpacked, no file of the archive ever gets a name on this machine.
 *
 * Refused, as IMAGE_CORRUPT with the entry's name: absolute paths and `..`, entries below a symlink or file, one path as both directory and something
 * else, hard links to what is no file, names longer than Linux takes, attributes that overlayfs would believe.
 */
import { PlatformError } from "@liquidmetal/foundation";
import { FileTree, type TreeEntry, treePath } from "../tree/file-tree.ts";
import { opaqueMark, whiteoutPrefix } from "./tar-archive.ts";
import { readTar, type TarEntry } from "./tar-reader.ts";

export interface TarTreeOptions {
  /** False = a whole root file system, in which `.wh.` names are refused. Default true: an OCI layer, whose hard links may lead to layers below. */
  readonly layer?: boolean;
  /** Default 2,000,000. */
  readonly entriesMax?: number;
  /** Archive paths that are left out, with all below them. */
  readonly without?: (path: string) => boolean;
  readonly signal?: AbortSignal | undefined;
}

/** The tree of an uncompressed tar file. The file has to stay as it is for as long as the tree is used. */
export async function treeOfTar(file: string, options: TarTreeOptions = {}): Promise<FileTree> {
  const { layer = true } = options;
  const tree = new FileTree();
  const marks: Mark[] = [];
  for await (const entry of readTar(file, options)) {
    const path = pathOf(entry);
    if (path === "" || options.without?.(path) === true) continue;
    const name = path.slice(path.lastIndexOf("/") + 1);
    if (!name.startsWith(whiteoutPrefix)) add(tree, file, path, entry, layer);
    else if (layer) marks.push({ folder: path.slice(0, -name.length - 1), name });
    else throw corrupt(path, "names that begin with .wh. are whiteouts, and this is no layer");
  }
  for (const mark of marks) applyMark(tree, mark);
  return tree;
}

interface Mark {
  readonly folder: string;
  readonly name: string;
}

function add(tree: FileTree, file: string, path: string, entry: TarEntry, layer: boolean): void {
  checkNames(path, entry);
  const made = entryOf(tree, file, path, entry, layer);
  // The same file or link twice: the last one counts, as for every unpacker. Anything else is a trick.
  const existing = tree.get(path);
  if (existing !== undefined && !tree.implied(path) && kindClass(existing) !== kindClass(made)) {
    throw corrupt(path, `it is there twice, as ${existing.kind} and as ${made.kind}`);
  }
  try {
    tree.put(path, made);
  } catch (error) {
    throw corrupt(path, error instanceof Error ? error.message : String(error), error);
  }
}

function entryOf(tree: FileTree, file: string, path: string, entry: TarEntry, layer: boolean): TreeEntry {
  const { mode, uid, gid, mtimeSeconds, xattrs, type, sizeBytes, offsetBytes, major, minor, target } = entry;
  const own = { mode, uid, gid, mtimeSeconds, ...(Object.keys(xattrs).length > 0 && { xattrs }) };
  switch (type) {
    case "directory":
    case "fifo":
      return { kind: type, ...own };
    case "file":
      return { kind: "file", content: { file, sizeBytes, offsetBytes }, ...own };
    case "symlink":
      return { kind: "symlink", target, ...own };
    case "hardlink":
      return linkOf(tree, path, entry, layer);
    case "character-device":
    case "block-device":
      return { kind: type, major, minor, ...own };
    default: {
      const never: never = type;
      return never;
    }
  }
}

/** A link to a link leads to its file. What is not in this layer has to be in one below: `merge` looks. */
function linkOf(tree: FileTree, path: string, entry: TarEntry, layer: boolean): TreeEntry {
  const wanted = insidePath(entry.target, path);
  const first = tree.get(wanted);
  const target = first?.kind === "hardlink" ? first.target : wanted;
  const found = first?.kind === "hardlink" ? tree.get(target) : first;
  if (target === path) throw corrupt(path, "it is a hard link to itself");
  if (found === undefined && layer) {
    const { mode, uid, gid, mtimeSeconds } = entry;
    return { kind: "hardlink", target, mode, uid, gid, mtimeSeconds };
  }
  if (found?.kind !== "file")
    throw corrupt(path, `it is a hard link to ${JSON.stringify(target)}, which is no file before it`);
  const { kind: _kind, content: _content, ...own } = found;
  return { kind: "hardlink", target, ...own };
}

function applyMark(tree: FileTree, { folder, name }: Mark): void {
  if (name === opaqueMark) {
    const directory = folder === "" ? undefined : tree.get(folder);
    // The whole root hidden: nobody writes that, and a tree has no entry to say it.
    if (folder === "") throw corrupt(name, "it hides everything below");
    if (directory !== undefined && directory.kind !== "directory")
      throw corrupt(`${folder}/${name}`, "it is not in a directory");
    tree.put(folder, directory === undefined ? emptyOpaque : { ...directory, opaque: true });
    return;
  }
  const hidden = name.slice(whiteoutPrefix.length);
  const path = folder === "" ? hidden : `${folder}/${hidden}`;
  if (hidden === "" || hidden === "." || hidden === "..")
    throw corrupt(`${folder}/${name}`, "it hides nothing that has a name");
  // Other marks of AUFS (`.wh..wh.plnk`): nobody's business but its own.
  if (hidden.startsWith(whiteoutPrefix)) return;
  const existing = tree.get(path);
  if (existing?.kind === "directory") tree.put(path, { ...existing, opaque: true });
  else if (existing === undefined) putWhiteout(tree, path);
}

function putWhiteout(tree: FileTree, path: string): void {
  try {
    tree.whiteout(path);
  } catch (error) {
    throw corrupt(path, error instanceof Error ? error.message : String(error), error);
  }
}

const emptyOpaque: TreeEntry = { kind: "directory", opaque: true, mode: 0o755, uid: 0, gid: 0 };

function pathOf(entry: TarEntry): string {
  if (entry.name === "") throw corrupt(entry.name, "it has no name");
  return insidePath(entry.name, entry.name);
}

/** A path of the archive, normalised: neither absolute nor with `..`. */
function insidePath(path: string, shown: string): string {
  if (path.startsWith("/")) throw corrupt(shown, "an absolute path");
  if (path.includes("\0") || path.split("/").includes("..")) throw corrupt(shown, "its path leads out of the image");
  return treePath(path);
}

function checkNames(path: string, { target, type, xattrs }: TarEntry): void {
  if (path.split("/").some((part) => Buffer.byteLength(part) > 255 * 3))
    throw corrupt(path, "a name longer than 255 bytes");
  if (type === "symlink" && (target === "" || target.includes("\0"))) throw corrupt(path, "it is a symlink to nothing");
  for (const key of Object.keys(xattrs)) {
    if (/^(trusted|user)\.overlay\./.test(key))
      throw corrupt(path, `it has the attribute ${key}, which is overlayfs's own`);
  }
}

const kindClass = ({ kind }: TreeEntry): string => (kind === "hardlink" ? "file" : kind);

const corrupt = (path: string, why: string, cause?: unknown): PlatformError =>
  new PlatformError("IMAGE_CORRUPT", `the archive is refused: ${JSON.stringify(path.slice(0, 300))}: ${why}`, {
    cause,
  });
