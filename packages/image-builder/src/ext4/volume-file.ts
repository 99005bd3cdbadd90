/** The file that becomes a volume: blocks are written at their place, neighbours in one go; what is never written is a hole. */
import { closeSync, fsyncSync, ftruncateSync, openSync, writeSync } from "node:fs";
import { blockBytes, roundUp } from "./geometry.ts";

const gatherBytes = 1024 * 1024;

export class VolumeFile implements Disposable {
  readonly #descriptor: number;
  readonly #gathered: Buffer = Buffer.alloc(gatherBytes);
  #start = 0;
  #size = 0;

  /** A new file. */
  constructor(path: string, sizeBytes: number) {
    this.#descriptor = openSync(path, "wx", 0o644);
    ftruncateSync(this.#descriptor, sizeBytes);
  }

  /** Bytes from the beginning of `block` on. */
  write(block: number, bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length; done += gatherBytes) {
      const part = bytes.subarray(done, done + gatherBytes);
      this.fill(block + done / blockBytes, part.length, (into) => into.set(part));
    }
  }

  /** At most 1 MiB from the beginning of `block` on, which `read` puts into the buffer. What is missing in the last block are zeros. */
  fill(block: number, length: number, read: (into: Buffer) => void): void {
    const position = block * blockBytes;
    const whole = roundUp(length, blockBytes);
    if (position !== this.#start + this.#size || this.#size + whole > gatherBytes) this.#flush(position);
    read(this.#gathered.subarray(this.#size, this.#size + length));
    this.#gathered.fill(0, this.#size + length, this.#size + whole);
    this.#size += whole;
  }

  finish(): void {
    this.#flush(0);
    fsyncSync(this.#descriptor);
  }

  #flush(next: number): void {
    for (let done = 0; done < this.#size; ) {
      done += writeSync(this.#descriptor, this.#gathered, done, this.#size - done, this.#start + done);
    }
    this.#start = next;
    this.#size = 0;
  }

  [Symbol.dispose](): void {
    closeSync(this.#descriptor);
  }
}
