/** Superblock, group descriptors and bitmaps: what is written last, when everything is counted. */
import { type BlockAllocation, setBit } from "./block-allocation.ts";
import { blockBytes, blocksPerGroup, type Geometry, hasSuperblock, inodeBytes } from "./geometry.ts";
import type { VolumeFile } from "./volume-file.ts";

export interface Summary {
  readonly geometry: Geometry;
  readonly allocation: BlockAllocation;
  /** First block of each group's block bitmap, inode bitmap, inode table. */
  readonly blockBitmaps: readonly number[];
  readonly inodeBitmaps: readonly number[];
  readonly inodeTables: readonly number[];
  /** Inodes 1 to this are used. */
  readonly usedInodes: number;
  /** Directories by group. */
  readonly directories: readonly number[];
  /** 16 bytes each. */
  readonly uuid: Uint8Array;
  readonly hashSeed: Uint8Array;
  readonly label: string;
  readonly madeSeconds: number;
  /** The journal's inode content and size: a copy stands in the superblock. */
  readonly journal: { readonly content: Uint8Array; readonly sizeBytes: number };
}

export const journalInode = 8;
export const firstInode = 11;

const features = {
  // has_journal, ext_attr, dir_index
  compatible: 0x4 | 0x8 | 0x20,
  // filetype, extents, flex_bg
  incompatible: 0x2 | 0x40 | 0x200,
  // sparse_super, large_file, huge_file, dir_nlink, extra_isize
  readOnlyCompatible: 0x1 | 0x2 | 0x8 | 0x20 | 0x40,
};
const reservedShare = 0.01;

export function writeSummary(volume: VolumeFile, summary: Summary): void {
  const { geometry, allocation } = summary;
  let freeBlocks = 0;
  const descriptors = Buffer.alloc(geometry.descriptorBlocks * blockBytes);
  for (let group = 0; group < geometry.groups; group += 1) {
    const free = allocation.freeBlocks(group);
    freeBlocks += free;
    const bitmap = inodeBitmap(summary, group);
    volume.write(summary.blockBitmaps[group] ?? 0, allocation.bitmap(group));
    volume.write(summary.inodeBitmaps[group] ?? 0, bitmap);
    const at = group * 32;
    descriptors.writeUInt32LE(summary.blockBitmaps[group] ?? 0, at);
    descriptors.writeUInt32LE(summary.inodeBitmaps[group] ?? 0, at + 4);
    descriptors.writeUInt32LE(summary.inodeTables[group] ?? 0, at + 8);
    descriptors.writeUInt16LE(free, at + 12);
    descriptors.writeUInt16LE(geometry.inodesPerGroup - usedInGroup(summary, group), at + 14);
    descriptors.writeUInt16LE(summary.directories[group] ?? 0, at + 16);
  }
  for (let group = 0; group < geometry.groups; group += 1) {
    if (!hasSuperblock(group)) continue;
    const superblock = encode(summary, freeBlocks, group);
    // The first one stands 1024 bytes into its block.
    const block = group === 0 ? Buffer.concat([Buffer.alloc(1024), superblock]) : superblock;
    volume.write(group * blocksPerGroup, block);
    volume.write(group * blocksPerGroup + 1, descriptors);
  }
}

function usedInGroup({ geometry, usedInodes }: Summary, group: number): number {
  return Math.min(Math.max(usedInodes - group * geometry.inodesPerGroup, 0), geometry.inodesPerGroup);
}

function inodeBitmap(summary: Summary, group: number): Buffer {
  const bytes = Buffer.alloc(blockBytes);
  const used = usedInGroup(summary, group);
  for (let bit = 0; bit < used; bit += 1) setBit(bytes, bit);
  for (let bit = summary.geometry.inodesPerGroup; bit < 8 * blockBytes; bit += 1) setBit(bytes, bit);
  return bytes;
}

function encode(summary: Summary, freeBlocks: number, group: number): Buffer {
  const { geometry, madeSeconds, journal } = summary;
  const inodes = geometry.groups * geometry.inodesPerGroup;
  const bytes = Buffer.alloc(1024);
  const words: readonly (readonly [number, number])[] = [
    [0x00, inodes],
    [0x04, geometry.blocks],
    [0x08, Math.floor(geometry.blocks * reservedShare)],
    [0x0c, freeBlocks],
    [0x10, inodes - summary.usedInodes],
    [0x18, 2],
    [0x1c, 2],
    [0x20, blocksPerGroup],
    [0x24, blocksPerGroup],
    [0x28, geometry.inodesPerGroup],
    [0x30, madeSeconds],
    [0x40, madeSeconds],
    [0x4c, 1],
    [0x54, firstInode],
    [0x5c, features.compatible],
    [0x60, features.incompatible],
    [0x64, features.readOnlyCompatible],
    [0xe0, journalInode],
    // user_xattr, acl
    [0x100, 0x0c],
    [0x108, madeSeconds],
    // Signed characters in hashes of names.
    [0x160, 0x1],
  ];
  for (const [at, value] of words) bytes.writeUInt32LE(value, at);
  const halves: readonly (readonly [number, number])[] = [
    // No check after a number of mounts.
    [0x36, 0xffff],
    [0x38, 0xef53],
    // Clean; go on after errors.
    [0x3a, 1],
    [0x3c, 1],
    [0x58, inodeBytes],
    [0x5a, group],
    [0x15c, 32],
    [0x15e, 32],
  ];
  for (const [at, value] of halves) bytes.writeUInt16LE(value, at);
  bytes.set(summary.uuid, 0x68);
  bytes.write(summary.label, 0x78, 16, "latin1");
  bytes.set(summary.hashSeed, 0xec);
  bytes.writeUInt8(1, 0xfc);
  bytes.writeUInt8(1, 0xfd);
  bytes.set(journal.content, 0x10c);
  bytes.writeUInt32LE(journal.sizeBytes, 0x10c + 64);
  // 16 groups each.
  bytes.writeUInt8(4, 0x174);
  return bytes;
}
