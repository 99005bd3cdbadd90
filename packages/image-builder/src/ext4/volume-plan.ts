/** What a volume will hold, counted before anything of it is written: inodes and their numbers, names, links, blocks; and how large it has to be. */
import { PlatformError } from "@liquidmetal/foundation";
import { contentSize } from "../tree/content.ts";
import type { FileTree, TreeEntry } from "../tree/file-tree.ts";
import { bytesOfText } from "../tree/path-bytes.ts";
import { type DirectoryEntry, entryLength } from "./directory.ts";
import { blockBytes, blocksOf, type Geometry, geometryOf, inodeBytes, roundUp } from "./geometry.ts";
import { entryTypes } from "./inode.ts";
import { firstInode } from "./superblock.ts";

const MiB = 1024 * 1024;
const rootInode = 2;
/** Longest target that stands in the inode itself. */
export const shortTargetMax = 59;

/** What is counted before anything is written. */
export class VolumePlan {
  /** Every entry that has an inode of its own, the root first. */
  readonly inodes: (readonly [string, TreeEntry])[] = [];
  readonly numbers: Map<string, number> = new Map([["", rootInode]]);
  readonly children: Map<string, DirectoryEntry[]> = new Map([["", []]]);
  readonly links: Map<string, number> = new Map();
  readonly contentBytes: number;
  readonly dataBlocks: number;

  constructor(tree: FileTree) {
    const found = tree.get("lost+found");
    const lostAndFound: TreeEntry =
      found?.kind === "directory" ? found : { kind: "directory", mode: 0o700, uid: 0, gid: 0 };
    this.#add("lost+found", lostAndFound, firstInode);
    let next = firstInode + 1;
    let [contentBytes, dataBlocks] = [0, 0];
    for (const [path, entry] of tree.entries()) {
      if (entry.kind === "whiteout")
        throw new PlatformError("IMAGE_BUILD_FAILED", `${path} hides something, and there is nothing below`);
      if (path === "lost+found") continue;
      if (entry.kind === "hardlink") {
        this.#link(path, entry.target);
        continue;
      }
      this.#add(path, entry, next++);
      if (entry.kind === "file") contentBytes += contentSize(entry.content);
      dataBlocks += entry.kind === "file" ? blocksOf(contentSize(entry.content)) : 0;
      dataBlocks +=
        (entry.xattrs === undefined ? 0 : 1) +
        (entry.kind === "symlink" && entry.target.length > shortTargetMax / 3 ? 1 : 0);
    }
    for (const entries of this.children.values()) {
      dataBlocks += 1 + blocksOf(entries.reduce((sum, { name }) => sum + entryLength(name), 0) * 1.1);
    }
    this.contentBytes = contentBytes;
    this.dataBlocks = dataBlocks;
  }

  get lastInode(): number {
    return firstInode + this.inodes.length - 1;
  }

  #add(path: string, entry: Exclude<TreeEntry, { kind: "hardlink" | "whiteout" }>, number: number): void {
    this.inodes.push([path, entry]);
    this.numbers.set(path, number);
    this.links.set(path, 1);
    if (entry.kind === "directory") this.children.set(path, []);
    this.#name(path, number, entryTypes[entry.kind]);
  }

  #link(path: string, target: string): void {
    const number = this.numbers.get(target);
    const links = this.links.get(target);
    if (number === undefined || links === undefined)
      throw new PlatformError("IMAGE_CORRUPT", `${path} is a hard link to nothing`);
    this.links.set(target, links + 1);
    this.#name(path, number, entryTypes.file);
  }

  #name(path: string, inode: number, type: number): void {
    const slash = path.lastIndexOf("/");
    const name = bytesOfText(path.slice(slash + 1));
    if (name.length > 255)
      throw new PlatformError("IMAGE_BUILD_FAILED", `${JSON.stringify(path)} has a name of more than 255 bytes`);
    this.children.get(slash < 0 ? "" : path.slice(0, slash))?.push({ name, inode, type });
  }
}

/** The geometry of the smallest file system that will do, or of the size that is asked for. REQUEST_INVALID when that is too small. */
export function chooseGeometry(plan: VolumePlan, sizeMiB: number | undefined): Geometry {
  const inodes = Math.ceil(plan.lastInode * 1.25) + 1024;
  const needed =
    plan.dataBlocks * blockBytes + inodes * inodeBytes + journalBytes(plan.dataBlocks * blockBytes * 2) + 4 * MiB;
  const least = roundUp(Math.ceil(needed * 1.03), MiB);
  if (sizeMiB !== undefined && sizeMiB * MiB < least) {
    throw new PlatformError(
      "REQUEST_INVALID",
      `a root volume of ${sizeMiB} MiB is too small: the image needs ${least / MiB} MiB`,
    );
  }
  let size = sizeMiB === undefined ? roundUp(least + 256 * MiB, 512 * MiB) : sizeMiB * MiB;
  for (;;) {
    const geometry = geometryOf(size, Math.max(inodes, Math.ceil(size / 16_384)));
    if (geometry !== undefined) return geometry;
    if (sizeMiB !== undefined)
      throw new PlatformError("REQUEST_INVALID", `a root volume of ${sizeMiB} MiB is too small for ${inodes} files`);
    size += 512 * MiB;
  }
}

export const journalBytes = (sizeBytes: number): number =>
  (sizeBytes < 128 * MiB ? 4 : sizeBytes < 2048 * MiB ? 16 : 64) * MiB;
