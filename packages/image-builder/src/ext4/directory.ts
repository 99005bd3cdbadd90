/** Directories as lists of names (linear: without hashed indexes, which the kernel takes just as well). */
import { blockBytes } from "./geometry.ts";

export interface DirectoryEntry {
  readonly name: Buffer;
  readonly inode: number;
  /** ext4's type: 1 file, 2 directory, 3 and 4 devices, 5 fifo, 7 symlink. */
  readonly type: number;
}

/** The blocks of a directory, `.` and `..` first. */
export function directoryBlocks(own: number, parent: number, entries: readonly DirectoryEntry[]): Buffer {
  const all = [
    { name: Buffer.from("."), inode: own, type: 2 },
    { name: Buffer.from(".."), inode: parent, type: 2 },
    ...entries,
  ];
  const blocks: Buffer[] = [];
  let block = Buffer.alloc(blockBytes);
  let at = 0;
  let last = 0;
  for (const entry of all) {
    const length = entryLength(entry.name);
    if (at + length > blockBytes) {
      // The last entry of a block reaches to its end.
      block.writeUInt16LE(blockBytes - last, last + 4);
      blocks.push(block);
      block = Buffer.alloc(blockBytes);
      at = 0;
    }
    block.writeUInt32LE(entry.inode, at);
    block.writeUInt16LE(length, at + 4);
    block.writeUInt8(entry.name.length, at + 6);
    block.writeUInt8(entry.type, at + 7);
    block.set(entry.name, at + 8);
    last = at;
    at += length;
  }
  block.writeUInt16LE(blockBytes - last, last + 4);
  blocks.push(block);
  return Buffer.concat(blocks);
}

export const entryLength = (name: Uint8Array): number => Math.ceil((8 + name.length) / 4) * 4;
