/** Extents: which blocks hold which part of a file. Up to four stand in the inode, more in a tree below it. */
import type { BlockRun } from "./block-allocation.ts";
import { blockBytes } from "./geometry.ts";

export interface Extent extends BlockRun {
  /** The file's block at which it begins. */
  readonly logical: number;
}

const lengthMax = 32_768;
const inInode = 4;
const entryBytes = 12;
const inBlock = Math.floor((blockBytes - entryBytes) / entryBytes);
const magic = 0xf30a;

/** Adds a run to the list: to the last extent where it continues that. */
export function addRun(extents: Extent[], logical: number, run: BlockRun): void {
  for (let done = 0; done < run.length; ) {
    const last = extents.at(-1);
    const continues =
      last !== undefined &&
      last.logical + last.length === logical + done &&
      last.start + last.length === run.start + done;
    const room = continues ? lengthMax - last.length : lengthMax;
    const length = Math.min(run.length - done, room === 0 ? lengthMax : room);
    if (continues && room > 0) extents[extents.length - 1] = { ...last, length: last.length + length };
    else extents.push({ logical: logical + done, start: run.start + done, length });
    done += length;
  }
}

/** The inode's 60 bytes. `place` stores a block of the tree and says where it is. */
export function extentTree(extents: readonly Extent[], place: (block: Uint8Array) => number): Buffer {
  let depth = 0;
  let entries = extents.map(leafEntry);
  let firsts = extents.map(({ logical }) => logical);
  while (entries.length > inInode) {
    const [above, aboveFirsts]: [Buffer[], number[]] = [[], []];
    for (let at = 0; at < entries.length; at += inBlock) {
      const logical = firsts[at] ?? 0;
      above.push(indexEntry(logical, place(node(entries.slice(at, at + inBlock), depth, inBlock, blockBytes))));
      aboveFirsts.push(logical);
    }
    [entries, firsts] = [above, aboveFirsts];
    depth += 1;
  }
  return node(entries, depth, inInode, 60);
}

function node(entries: readonly Buffer[], depth: number, max: number, size: number): Buffer {
  const bytes = Buffer.alloc(size);
  bytes.writeUInt16LE(magic, 0);
  bytes.writeUInt16LE(entries.length, 2);
  bytes.writeUInt16LE(max, 4);
  bytes.writeUInt16LE(depth, 6);
  for (const [index, entry] of entries.entries()) bytes.set(entry, entryBytes * (index + 1));
  return bytes;
}

function leafEntry({ logical, start, length }: Extent): Buffer {
  const bytes = Buffer.alloc(entryBytes);
  bytes.writeUInt32LE(logical, 0);
  bytes.writeUInt16LE(length, 4);
  bytes.writeUInt16LE(Math.floor(start / 2 ** 32), 6);
  bytes.writeUInt32LE(start % 2 ** 32, 8);
  return bytes;
}

function indexEntry(logical: number, block: number): Buffer {
  const bytes = Buffer.alloc(entryBytes);
  bytes.writeUInt32LE(logical, 0);
  bytes.writeUInt32LE(block % 2 ** 32, 4);
  bytes.writeUInt16LE(Math.floor(block / 2 ** 32), 8);
  return bytes;
}
