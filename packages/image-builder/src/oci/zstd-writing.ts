/**
 * Writes zstd as frames of a fixed size, several compressed at once: zstd is what packing a layer takes longest for. The bytes depend on neither the number of
 * processors nor on who is faster. Readers take a row of frames for one content (RFC 8878, section 3.1).
 */
import { type FileHandle, open } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { promisify } from "node:util";
import { constants, zstdCompress } from "node:zlib";

/** Smaller ones compress worse: each begins with nothing to refer to. */
export const frameBytes: number = 4 * 1024 * 1024;
/** Node compresses on four threads. */
const atOnce = Math.min(availableParallelism(), 4);
/** So many chunks are in use at a time, that which is being filled included. */
export const chunksInUse: number = atOnce + 2;

const options = { params: { [constants.ZSTD_c_compressionLevel]: 3 }, chunkSize: 1024 * 1024 };
const compress = promisify(zstdCompress) as (chunk: Buffer, how: typeof options) => Promise<Buffer>;

/** Writes the new file `file`, each chunk as a frame. `onFrame` sees what is written, in its order. */
export async function writeZstdFrames(
  chunks: AsyncIterable<Buffer>,
  file: string,
  onFrame: (frame: Buffer) => void,
): Promise<void> {
  const target = await open(file, "wx");
  const compressing: Promise<Buffer>[] = [];
  try {
    for await (const chunk of chunks) {
      const frame = compress(chunk, options);
      // Whoever awaits it hears of a failure.
      frame.catch(() => {});
      compressing.push(frame);
      if (compressing.length > atOnce) await writeFirst(compressing, target, onFrame);
    }
    while (compressing.length > 0) await writeFirst(compressing, target, onFrame);
  } finally {
    await Promise.allSettled(compressing);
    await target.close();
  }
}

async function writeFirst(
  compressing: Promise<Buffer>[],
  target: FileHandle,
  onFrame: (frame: Buffer) => void,
): Promise<void> {
  const frame = await compressing.shift();
  if (frame === undefined) return;
  onFrame(frame);
  for (let done = 0; done < frame.length; ) done += (await target.write(frame, done)).bytesWritten;
}
