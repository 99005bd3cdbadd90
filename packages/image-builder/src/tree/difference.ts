/**
 * What has to lie over one tree so that another is seen: the layer that a step made, found by comparing before and after.
 *
 * Compared are kind, mode, owner, attributes, link target, device numbers and content, byte for byte (times alone prove nothing: they are clamped);
 * the time too of files, because other files may rely on it (Python's compiled modules), not of directories and links. Parents of a change come with it,
 * as they are afterwards. Of hard links, all names of a changed file come.
 */
import { ContentReader, sameContent, turn } from "./content.ts";
import { FileTree, type TreeEntry } from "./file-tree.ts";

export interface DifferenceOptions {
  /** Seconds since 1970: younger times count as this. */
  readonly dateSeconds: number;
  readonly signal?: AbortSignal | undefined;
}

/** `merge(before, await difference(before, after))` shows what `after` shows. */
export async function difference(before: FileTree, after: FileTree, options: DifferenceOptions): Promise<FileTree> {
  using reader = new ContentReader();
  const names = { before: namesOf(before), after: namesOf(after) };
  const layer = new FileTree();
  const links: [string, TreeEntry][] = [];
  let compared = 0;
  for (const [path, entry] of after.entries()) {
    if (entry.kind === "hardlink") continue;
    if (++compared % 500 === 0) await turn(options.signal);
    const group = names.after.get(path) ?? [path];
    const same =
      sameNames(group, names.before, before) && (await sameEntry(reader, before.get(path), entry, before, options));
    if (same) continue;
    putWithParents(layer, after, path, entry);
    for (const link of group) {
      const linked = link === path ? undefined : after.get(link);
      if (linked !== undefined) links.push([link, linked]);
    }
  }
  for (const [path, entry] of links) putWithParents(layer, after, path, entry);
  hideWhatIsGone(layer, before, after);
  return layer;
}

/** All names of each file that has several, the file's own first. */
function namesOf(tree: FileTree): Map<string, string[]> {
  const names = new Map<string, string[]>();
  for (const [path, entry] of tree.entries()) {
    if (entry.kind !== "hardlink") continue;
    const group = names.get(entry.target);
    if (group === undefined) names.set(entry.target, [entry.target, path]);
    else group.push(path);
  }
  return names;
}

/** The names of one file were already names of one file. */
function sameNames(
  group: readonly string[],
  groups: ReadonlyMap<string, readonly string[]>,
  before: FileTree,
): boolean {
  const [first = ""] = group;
  if (group.length === 1) return true;
  const owner = ownerOf(before, first);
  const known = groups.get(owner);
  return known !== undefined && group.every((name) => known.includes(name));
}

function ownerOf(tree: FileTree, path: string): string {
  const entry = tree.get(path);
  return entry?.kind === "hardlink" ? entry.target : path;
}

async function sameEntry(
  reader: ContentReader,
  found: TreeEntry | undefined,
  now: TreeEntry,
  before: FileTree,
  { dateSeconds, signal }: DifferenceOptions,
): Promise<boolean> {
  // A name that was a link to a file is that file.
  const was = found?.kind === "hardlink" ? before.get(found.target) : found;
  if (was === undefined || was.kind !== now.kind) return false;
  if (was.mode !== now.mode || was.uid !== now.uid || was.gid !== now.gid || !sameAttributes(was, now)) return false;
  const time = (entry: TreeEntry): number => Math.min(entry.mtimeSeconds ?? dateSeconds, dateSeconds);
  if (was.kind === "file" && now.kind === "file") {
    return time(was) === time(now) && (await sameContent(reader, was.content, now.content, signal));
  }
  if (was.kind === "symlink" && now.kind === "symlink") return was.target === now.target;
  const device = (entry: TreeEntry): string => ("major" in entry ? `${entry.major}:${entry.minor}` : "");
  return device(was) === device(now);
}

function sameAttributes(a: TreeEntry, b: TreeEntry): boolean {
  const [left, right] = [Object.entries(a.xattrs ?? {}), b.xattrs ?? {}];
  if (left.length !== Object.keys(right).length) return false;
  return left.every(([key, value]) => {
    const other = right[key];
    return other !== undefined && Buffer.compare(value, other) === 0;
  });
}

function putWithParents(layer: FileTree, after: FileTree, path: string, entry: TreeEntry): void {
  for (let at = path.indexOf("/"); at > 0; at = path.indexOf("/", at + 1)) {
    const parent = path.slice(0, at);
    const directory = after.get(parent);
    if (directory?.kind === "directory" && layer.get(parent) === undefined) layer.put(parent, directory);
  }
  layer.put(path, entry);
}

function hideWhatIsGone(layer: FileTree, before: FileTree, after: FileTree): void {
  for (const [path] of before.entries()) {
    if (after.get(path) !== undefined) continue;
    const slash = path.lastIndexOf("/");
    const parent = slash < 0 ? undefined : path.slice(0, slash);
    // Only the topmost of what is gone; and nothing where a file took the directory's place.
    if (parent !== undefined && (after.get(parent)?.kind !== "directory" || before.get(parent)?.kind !== "directory"))
      continue;
    putWithParents(layer, after, path, { kind: "whiteout", mode: 0, uid: 0, gid: 0 });
  }
}
