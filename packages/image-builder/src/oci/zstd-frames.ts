/**
 * zstd data is a row of frames (RFC 8878, section 3.1). Images come with one, with many (pzstd, ours), and with frames to skip (zstd:chunked). Node's
 * decompressor goes on with a second frame only where the first ends with the chunk that it was given: here chunks are cut where frames end.
 */
import { PlatformError } from "@liquidmetal/foundation";

/**
 * Cuts chunks at the ends of frames, and leaves frames to skip out. What is no zstd is passed on as it is: the decompressor says what is wrong with it.
 * IMAGE_CORRUPT when the last frame is not whole.
 */
export async function* alignedFrames(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const frames = new Frames();
  for await (const chunk of source) yield* frames.cut(chunk);
  frames.end();
}

const magic = 0xfd2fb528;
/** 0x184D2A50 to 0x184D2A5F. */
const isSkippable = (word: number): boolean => word >>> 4 === 0x184d2a5;
/** Of the first four bytes of a blob. */
export function beginsAsZstd(head: Buffer): boolean {
  if (head.length < 4) return false;
  const word = head.readUInt32LE(0);
  return word === magic || isSkippable(word);
}

const dictionaryBytes = [0, 1, 2, 4] as const;
const contentSizeBytes = [0, 2, 4, 8] as const;

class Frames {
  #expects: "frame" | "block" | "anything" = "frame";
  /** Bytes still to come of a block with its checksum, or of what is skipped. */
  #left = 0;
  /** With them the frame ends. */
  #ends = false;
  #skipping = false;
  #hasChecksum = false;
  /** The beginning of a header that a chunk has cut in two. */
  #held: Buffer = Buffer.alloc(0);

  *cut(chunk: Buffer): Generator<Buffer> {
    const bytes = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    let start = 0;
    let at = 0;
    for (;;) {
      const step = Math.min(this.#left, bytes.length - at);
      at += step;
      this.#left -= step;
      if (this.#skipping) start = at;
      if (this.#left > 0) break;
      if (this.#ends) {
        if (at > start) yield bytes.subarray(start, at);
        start = at;
        [this.#expects, this.#ends, this.#skipping] = ["frame", false, false];
      }
      const header = this.#header(bytes.subarray(at));
      if (header === undefined) break;
      at += header;
    }
    this.#held = Buffer.from(bytes.subarray(at));
    if (at > start) yield bytes.subarray(start, at);
  }

  end(): void {
    const whole = this.#expects === "frame" && this.#left === 0 && this.#held.length === 0;
    if (whole || this.#expects === "anything") return;
    throw new PlatformError("IMAGE_CORRUPT", "the layer is refused: it is not whole, its last frame has no end");
  }

  /** The length of the header that `rest` begins with, after which `#left` bytes follow; undefined while it is not all there. */
  #header(rest: Buffer): number | undefined {
    if (this.#expects === "block") return this.#blockHeader(rest);
    if (this.#expects === "anything") return this.#anything();
    if (rest.length < 5) return undefined;
    const word = rest.readUInt32LE(0);
    if (isSkippable(word)) {
      if (rest.length < 8) return undefined;
      [this.#left, this.#ends, this.#skipping] = [rest.readUInt32LE(4), true, true];
      return 8;
    }
    if (word !== magic) return this.#anything();
    const descriptor = rest.readUInt8(4);
    const singleSegment = (descriptor & 0x20) !== 0;
    const contentSize = contentSizeBytes[(descriptor >> 6) as 0 | 1 | 2 | 3] || (singleSegment ? 1 : 0);
    const length = 5 + (singleSegment ? 0 : 1) + dictionaryBytes[(descriptor & 3) as 0 | 1 | 2 | 3] + contentSize;
    if (rest.length < length) return undefined;
    this.#expects = "block";
    this.#hasChecksum = (descriptor & 4) !== 0;
    return length;
  }

  #blockHeader(rest: Buffer): number | undefined {
    if (rest.length < 3) return undefined;
    const header = rest.readUIntLE(0, 3);
    this.#ends = (header & 1) !== 0;
    // A block of one byte that is repeated holds that byte alone.
    const content = ((header >> 1) & 3) === 1 ? 1 : header >> 3;
    this.#left = content + (this.#ends && this.#hasChecksum ? 4 : 0);
    return 3;
  }

  #anything(): number {
    this.#expects = "anything";
    this.#left = Number.POSITIVE_INFINITY;
    return 0;
  }
}
