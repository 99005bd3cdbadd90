/**
 * Reading the contents of a tree's files: small ones at once, large ones in chunks, many of them from one file that stays open.
 *
 * Small reads are synchronous: an image has tens of thousands of small files, and asking the thread pool for each takes ten times as long as
 * reading it from the page cache. Whoever reads many yields to the event loop between chunks.
 *
 * Holes of sparse files are read like anything else: the kernel fills the buffer with zeros, several GB a second, which is less than hashing them takes.
 */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { PlatformError } from "@liquidmetal/foundation";
import type { Content } from "./file-tree.ts";
import { pathOnDisk } from "./path-bytes.ts";

export const chunkBytes: number = 256 * 1024;
/** Files that are open at once. */
const openMax = 16;

export const contentSize = (content: Content): number =>
  "bytes" in content ? content.bytes.length : content.sizeBytes;

/** Keeps files open while their slices are read. Dispose of it when done. */
export class ContentReader implements Disposable {
  readonly #open = new Map<string, number>();

  /** Fills `into` from byte `position` of the content on. IMAGE_BUILD_FAILED where the file has become shorter. */
  read(content: Content, position: number, into: Uint8Array): void {
    if ("bytes" in content) {
      into.set(content.bytes.subarray(position, position + into.length));
      return;
    }
    const descriptor = this.#descriptor(content);
    const start = (content.offsetBytes ?? 0) + position;
    for (let done = 0; done < into.length; ) {
      const count = readSync(descriptor, into, done, into.length - done, start + done);
      if (count === 0) throw changed(content.file);
      done += count;
    }
  }

  [Symbol.dispose](): void {
    for (const descriptor of this.#open.values()) closeSync(descriptor);
    this.#open.clear();
  }

  #descriptor(content: Extract<Content, { file: string }>): number {
    const known = this.#open.get(content.file);
    if (known !== undefined) return known;
    for (const [file, descriptor] of this.#open) {
      if (this.#open.size < openMax) break;
      closeSync(descriptor);
      this.#open.delete(file);
    }
    const descriptor = openSync(pathOnDisk(content.file), "r");
    this.#open.set(content.file, descriptor);
    // A whole file that has grown is no longer the one that was put into the tree; of a slice nothing can be said.
    const whole = content.offsetBytes === undefined;
    if (whole && fstatSync(descriptor).size !== content.sizeBytes) throw changed(content.file);
    return descriptor;
  }
}

/** All of a content. Only for what is known to be small: IMAGE_BUILD_FAILED when it is longer than `maxBytes`. */
export function readContent(content: Content, maxBytes: number): Buffer {
  const size = contentSize(content);
  if (size > maxBytes)
    throw new PlatformError("IMAGE_BUILD_FAILED", `a file of ${size} bytes where at most ${maxBytes} are read`);
  using reader = new ContentReader();
  const bytes = Buffer.alloc(size);
  reader.read(content, 0, bytes);
  return bytes;
}

/** Whether two contents have the same bytes. Reads no more than it has to. */
export async function sameContent(
  reader: ContentReader,
  a: Content,
  b: Content,
  signal?: AbortSignal,
): Promise<boolean> {
  const size = contentSize(a);
  if (size !== contentSize(b)) return false;
  if ("file" in a && "file" in b && a.file === b.file && (a.offsetBytes ?? 0) === (b.offsetBytes ?? 0)) return true;
  const [left, right] = [
    Buffer.allocUnsafe(Math.min(size, chunkBytes)),
    Buffer.allocUnsafe(Math.min(size, chunkBytes)),
  ];
  for (let at = 0; at < size; at += chunkBytes) {
    const length = Math.min(chunkBytes, size - at);
    reader.read(a, at, left.subarray(0, length));
    reader.read(b, at, right.subarray(0, length));
    if (left.compare(right, 0, length, 0, length) !== 0) return false;
    if (at > 0) await turn(signal);
  }
  return true;
}

/** Lets the event loop have its turn. Rejects when the signal has fired. */
export async function turn(signal?: AbortSignal): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  signal?.throwIfAborted();
}

const changed = (file: string): PlatformError =>
  new PlatformError("IMAGE_BUILD_FAILED", `${file} changed while it was packed`);
