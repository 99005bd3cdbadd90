/** Hands out blocks from the beginning to the end, around the backup superblocks, and remembers which are used. */
import { PlatformError } from "@liquidmetal/foundation";
import { blocksPerGroup, type Geometry, hasSuperblock } from "./geometry.ts";

export interface BlockRun {
  readonly start: number;
  readonly length: number;
}

export class BlockAllocation {
  readonly #geometry: Geometry;
  /** One bit a block. */
  readonly #used: Uint8Array;
  #next: number;

  constructor(geometry: Geometry) {
    this.#geometry = geometry;
    this.#used = new Uint8Array(geometry.groups * (blocksPerGroup / 8));
    for (let group = 0; group < geometry.groups; group += 1) {
      if (hasSuperblock(group)) this.#mark({ start: group * blocksPerGroup, length: this.#reserved });
    }
    this.#next = this.#reserved;
  }

  /** At most `wanted` blocks in one piece. */
  some(wanted: number): BlockRun {
    this.#skipReserved();
    const untilReserved = this.#nextReserved() - this.#next;
    const run = { start: this.#next, length: Math.min(wanted, untilReserved) };
    this.#take(run);
    return run;
  }

  /** Exactly `length` blocks in one piece; what is passed over stays free. */
  contiguous(length: number): BlockRun {
    this.#skipReserved();
    while (this.#nextReserved() - this.#next < length) {
      if (this.#next >= this.#geometry.blocks) throw full();
      this.#next = this.#nextReserved();
      this.#skipReserved();
    }
    const run = { start: this.#next, length };
    this.#take(run);
    return run;
  }

  /** The bitmap of a group: bits beyond the file system's end count as used. */
  bitmap(group: number): Uint8Array {
    const bytes = this.#used.slice((group * blocksPerGroup) / 8, ((group + 1) * blocksPerGroup) / 8);
    for (let bit = this.groupBlocks(group); bit < blocksPerGroup; bit += 1) setBit(bytes, bit);
    return bytes;
  }

  groupBlocks(group: number): number {
    return Math.min(blocksPerGroup, this.#geometry.blocks - group * blocksPerGroup);
  }

  freeBlocks(group: number): number {
    let used = 0;
    for (const byte of this.#used.subarray((group * blocksPerGroup) / 8, ((group + 1) * blocksPerGroup) / 8))
      used += ones(byte);
    return this.groupBlocks(group) - used;
  }

  get #reserved(): number {
    return 1 + this.#geometry.descriptorBlocks;
  }

  #take(run: BlockRun): void {
    if (run.start + run.length > this.#geometry.blocks) throw full();
    this.#mark(run);
    this.#next = run.start + run.length;
  }

  #skipReserved(): void {
    const group = Math.floor(this.#next / blocksPerGroup);
    const within = this.#next - group * blocksPerGroup;
    if (hasSuperblock(group) && within < this.#reserved) this.#next = group * blocksPerGroup + this.#reserved;
  }

  /** Where the next backup superblock, or the end of all blocks, is. */
  #nextReserved(): number {
    for (let group = Math.floor(this.#next / blocksPerGroup) + 1; group < this.#geometry.groups; group += 1) {
      if (hasSuperblock(group)) return group * blocksPerGroup;
    }
    return Math.max(this.#geometry.blocks, this.#next + 1);
  }

  #mark({ start, length }: BlockRun): void {
    for (let block = start; block < start + length; ) {
      if (block % 8 === 0 && start + length - block >= 8) {
        this.#used[block / 8] = 0xff;
        block += 8;
      } else {
        setBit(this.#used, block);
        block += 1;
      }
    }
  }
}

export function setBit(bytes: Uint8Array, bit: number): void {
  bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) | (1 << (bit & 7));
}

function ones(byte: number): number {
  let count = 0;
  for (let rest = byte; rest > 0; rest &= rest - 1) count += 1;
  return count;
}

const full = (): PlatformError => new PlatformError("DISK_FULL", "the root volume is too small for the image");
