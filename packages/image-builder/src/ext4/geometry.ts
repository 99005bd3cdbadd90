/**
 * Where things lie in an ext4 file system: block groups, descriptors, bitmaps, inode tables.
 *
 * All metadata of all groups stands at the beginning (flex_bg allows that), behind the primary superblock; only backup superblocks are where sparse_super
 * wants them: groups 0, 1 and powers of 3, 5 and 7. Blocks are 4 KiB, inodes 256 bytes, groups 128 MiB, as mke2fs makes them.
 *
 * Source: Linux, Documentation/filesystems/ext4.
 */

export const blockBytes = 4096;
export const inodeBytes = 256;
export const blocksPerGroup = 32_768;
const descriptorBytes = 32;
const inodesPerBlock = blockBytes / inodeBytes;
const inodesPerGroupMax = 8 * blockBytes;

export interface Geometry {
  readonly blocks: number;
  readonly groups: number;
  /** Blocks of the group descriptors, behind each superblock. */
  readonly descriptorBlocks: number;
  readonly inodesPerGroup: number;
  readonly tableBlocksPerGroup: number;
}

/** A file system of at most `sizeBytes` with room for `inodes`. Undefined where that many inodes need more groups. */
export function geometryOf(sizeBytes: number, inodes: number): Geometry | undefined {
  let blocks = Math.floor(sizeBytes / blockBytes);
  let groups = Math.ceil(blocks / blocksPerGroup);
  const descriptorBlocks = Math.ceil((groups * descriptorBytes) / blockBytes);
  // A last group without room for more than its own superblock is left away, as mke2fs does.
  if (groups > 1 && blocks - (groups - 1) * blocksPerGroup < descriptorBlocks + 64) {
    groups -= 1;
    blocks = groups * blocksPerGroup;
  }
  if (groups < 1) return undefined;
  const inodesPerGroup = roundUp(Math.ceil(inodes / groups), inodesPerBlock);
  if (inodesPerGroup > inodesPerGroupMax) return undefined;
  return { blocks, groups, descriptorBlocks, inodesPerGroup, tableBlocksPerGroup: inodesPerGroup / inodesPerBlock };
}

/** Groups that begin with a copy of superblock and descriptors. */
export function hasSuperblock(group: number): boolean {
  if (group <= 1) return true;
  return [3, 5, 7].some((base) => {
    let power = base;
    while (power < group) power *= base;
    return power === group;
  });
}

export const blocksOf = (bytes: number): number => Math.ceil(bytes / blockBytes);
export const roundUp = (value: number, unit: number): number => Math.ceil(value / unit) * unit;
