/** Inodes as they lie in their table: 256 bytes, with 32 extra, which hold the centuries of times. */
import type { TreeEntry } from "../tree/file-tree.ts";
import { blockBytes, inodeBytes } from "./geometry.ts";

export type InodeKind = Exclude<TreeEntry["kind"], "hardlink" | "whiteout">;

export interface Inode {
  readonly kind: InodeKind;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtimeSeconds: number;
  /** When the file system was made: change, access and creation times. */
  readonly madeSeconds: number;
  readonly links: number;
  readonly sizeBytes: number;
  /** Of data, of the tree of extents, of attributes. */
  readonly blocks: number;
  /** The 60 bytes that say where the content is, or are the content. */
  readonly content: Uint8Array;
  readonly usesExtents: boolean;
  readonly attributeBlock: number;
}

const kindBits: Readonly<Record<InodeKind, number>> = {
  fifo: 0x1000,
  "character-device": 0x2000,
  directory: 0x4000,
  "block-device": 0x6000,
  file: 0x8000,
  symlink: 0xa000,
};

/** The types that directories note of their entries. */
export const entryTypes: Readonly<Record<InodeKind, number>> = {
  file: 1,
  directory: 2,
  "character-device": 3,
  "block-device": 4,
  fifo: 5,
  symlink: 7,
};

const extentsFlag = 0x80000;
const linksMax = 65_000;

export function encodeInode(inode: Inode): Buffer {
  const bytes = Buffer.alloc(inodeBytes);
  bytes.writeUInt16LE(kindBits[inode.kind] | inode.mode, 0x00);
  bytes.writeUInt16LE(inode.uid & 0xffff, 0x02);
  bytes.writeUInt32LE(inode.sizeBytes % 2 ** 32, 0x04);
  bytes.writeUInt16LE(inode.gid & 0xffff, 0x18);
  // Directories with more say 1 (dir_nlink).
  bytes.writeUInt16LE(inode.links >= linksMax ? 1 : inode.links, 0x1a);
  const sectors = inode.blocks * (blockBytes / 512);
  bytes.writeUInt32LE(sectors % 2 ** 32, 0x1c);
  bytes.writeUInt32LE(inode.usesExtents ? extentsFlag : 0, 0x20);
  bytes.set(inode.content, 0x28);
  bytes.writeUInt32LE(inode.attributeBlock % 2 ** 32, 0x68);
  bytes.writeUInt32LE(Math.floor(inode.sizeBytes / 2 ** 32), 0x6c);
  bytes.writeUInt16LE(Math.floor(sectors / 2 ** 32), 0x74);
  bytes.writeUInt16LE(Math.floor(inode.attributeBlock / 2 ** 32), 0x76);
  bytes.writeUInt16LE(Math.floor(inode.uid / 2 ** 16), 0x78);
  bytes.writeUInt16LE(Math.floor(inode.gid / 2 ** 16), 0x7a);
  bytes.writeUInt16LE(32, 0x80);
  writeTime(bytes, inode.madeSeconds, 0x08, 0x8c);
  writeTime(bytes, inode.madeSeconds, 0x0c, 0x84);
  writeTime(bytes, inode.mtimeSeconds, 0x10, 0x88);
  writeTime(bytes, inode.madeSeconds, 0x90, 0x94);
  return bytes;
}

/** 32 bits with a sign, and two more in the extra field. */
function writeTime(bytes: Buffer, seconds: number, at: number, extra: number): void {
  const low = seconds | 0;
  bytes.writeInt32LE(low, at);
  bytes.writeUInt32LE(((seconds - low) / 2 ** 32) & 3, extra);
}

/** A device's numbers: the old form where they fit, else the new one. */
export function deviceContent(major: number, minor: number): Buffer {
  const bytes = Buffer.alloc(60);
  if (major < 256 && minor < 256) bytes.writeUInt32LE(major * 256 + minor, 0);
  else bytes.writeUInt32LE(((minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)) >>> 0, 4);
  return bytes;
}
