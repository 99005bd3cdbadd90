/**
 * Room for the journal on a disk that is full: a file that is given up, so that what is there can still be deleted and thereby make room.
 *
 * Only changes of microVMs that are there may use it; a new one has to wait until it is held again. Its content is random, since a file system may compress or leave out zeros.
 */
import { randomFillSync } from "node:crypto";
import { rmSync, statSync, writeFileSync } from "node:fs";

/** Enough for thousands of commits, and for the write-ahead log between two checkpoints (1,000 pages of 4 KiB). */
export const reserveBytes = 8_388_608;

export class DiskReserve {
  readonly #path: string;
  #held: boolean;

  constructor(path: string) {
    this.#path = path;
    this.#held = sizeOf(path) === reserveBytes;
    this.hold();
  }

  /** Takes the room if there is any, and says whether it is held. A disk that has not enough is left as it is. */
  hold(): boolean {
    if (this.#held) return true;
    try {
      writeFileSync(this.#path, randomFillSync(Buffer.allocUnsafe(reserveBytes)), { mode: 0o600 });
      this.#held = true;
    } catch {
      rmSync(this.#path, { force: true });
    }
    return this.#held;
  }

  /** Gives the room to the disk. False when there was none to give. */
  release(): boolean {
    if (!this.#held) return false;
    rmSync(this.#path, { force: true });
    this.#held = false;
    return true;
  }
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
