/** One layer blob: a tree as a compressed tar, with the two digests that OCI wants of it; and the way back to the tar. */
import { createHash, type Hash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { open } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { createGunzip, createGzip, createZstdDecompress, type Gunzip, type Gzip, type ZstdDecompress } from "node:zlib";
import { PlatformError } from "@liquidmetal/foundation";
import { chunkBytes } from "../tree/content.ts";
import type { FileTree } from "../tree/file-tree.ts";
import { settle } from "../tree/merge.ts";
import { fleetingTarOf, type TarOptions } from "./tar-archive.ts";
import { alignedFrames, beginsAsZstd } from "./zstd-frames.ts";
import { chunksInUse, frameBytes, writeZstdFrames } from "./zstd-writing.ts";

/** zstd is faster to make and to unpack (containerd reads it since 1.5); gzip is for consumers that know nothing else. */
export type LayerCompression = "zstd" | "gzip";

/** What decides a layer's bytes besides its tree: our packing, and the compressor that Node brings. Part of every layer's key. */
export const packingOf = (compression: LayerCompression): string =>
  `1 ${compression} ${(compression === "zstd" ? process.versions["zstd"] : process.versions.zlib) ?? "none"}`;

export interface Layer {
  readonly mediaType: string;
  /** `sha256:…` of the compressed blob. */
  readonly digest: string;
  /** `sha256:…` of the tar inside. */
  readonly diffId: string;
  readonly sizeBytes: number;
  /** Where the blob lies. */
  readonly file: string;
}

export interface LayerOptions extends TarOptions {
  /** Default `zstd`. */
  readonly compression?: LayerCompression;
  /** What lies below: directories that the layer only implies are written as they are there. Without it, as 0755 of root: right for the lowest layer. */
  readonly below?: FileTree;
}

/** Packs `tree` into the new file `file`. */
export async function writeLayer(tree: FileTree, file: string, options: LayerOptions): Promise<Layer> {
  const { compression = "zstd", below } = options;
  const diff = createHash("sha256");
  const blob = createHash("sha256");
  let sizeBytes = 0;
  const source = below === undefined ? tree : settle(tree, below);
  const onBlob = (part: Buffer): void => {
    blob.update(part);
    sizeBytes += part.length;
  };
  if (compression === "zstd") {
    const frames = fleetingTarOf(source, options, { bytes: frameBytes, inUse: chunksInUse });
    await writeZstdFrames(hashed(frames, diff), file, onBlob);
  } else await writeGzip(hashed(fleetingTarOf(source, options), diff), file, onBlob, options.signal);
  return {
    mediaType: `application/vnd.oci.image.layer.v1.tar+${compression}`,
    digest: `sha256:${blob.digest("hex")}`,
    diffId: `sha256:${diff.digest("hex")}`,
    sizeBytes,
    file,
  };
}

async function writeGzip(
  chunks: AsyncIterable<Buffer>,
  file: string,
  onBlob: (part: Buffer) => void,
  signal: AbortSignal | undefined,
): Promise<void> {
  // A fixed level; the header that zlib writes carries no name and no time.
  const packed = createGzip({ chunkSize: chunkBytes, level: 6 });
  const target = createWriteStream(file, { flags: "wx" });
  const written = pipeline(packed, seen(onBlob), target, signal === undefined ? {} : { signal });
  const both = await Promise.allSettled([written, compressAll(chunks, packed)]);
  // When writing fails, compressing only fails because of it.
  for (const one of both) if (one.status === "rejected") throw one.reason;
}

/** Reads and hashes one chunk while another thread compresses the one before. */
async function compressAll(chunks: AsyncIterable<Buffer>, into: Gzip): Promise<void> {
  let before = Promise.resolve();
  try {
    for await (const chunk of chunks) {
      await before;
      before = compressed(into, chunk);
      // Whoever awaits it next hears of a failure.
      before.catch(() => {});
    }
    await before;
    into.end();
  } catch (error) {
    into.destroy(error instanceof Error ? error : new Error(String(error)));
    throw error;
  }
}

function compressed(into: Gzip, chunk: Buffer): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  // A compressor that is destroyed while it works (a full disk) does not tell those who write to it.
  const closed = (): void => reject(into.errored ?? new Error("the compressor was closed"));
  into.once("close", closed);
  into.write(chunk, (error) => {
    into.off("close", closed);
    if (error) reject(error);
    else resolve();
  });
  return promise;
}

export interface UnpackOptions {
  /** `sha256:…` that the tar has to have: the configuration's `diff_ids`. */
  readonly diffId?: string;
  /** Most bytes of the tar. Default 64 GiB. */
  readonly maxBytes?: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Undoes a layer's compression (gzip, zstd or none, told by its first bytes) into the new file `tarFile`. Runs of zeros become holes: ten GB of them
 * take no disk. IMAGE_CORRUPT when it is not what it says, or larger than it may be.
 */
export async function unpackLayer(
  blob: string,
  tarFile: string,
  options: UnpackOptions = {},
): Promise<{ readonly diffId: string }> {
  const { maxBytes = 64 * 1024 ** 3, signal } = options;
  const hash = createHash("sha256");
  const target = await open(tarFile, "wx");
  try {
    const source = createReadStream(blob, { highWaterMark: chunkBytes });
    const content = contentOf(source, await firstBytes(blob));
    await pipeline(hashed(content, hash), sparseWriter(target, maxBytes), signal === undefined ? {} : { signal });
  } catch (error) {
    signal?.throwIfAborted();
    throw asCorrupt(error);
  } finally {
    await target.close();
  }
  const diffId = `sha256:${hash.digest("hex")}`;
  if (options.diffId !== undefined && options.diffId !== diffId) {
    throw corrupt(`its content is ${diffId}, and the image's configuration says ${options.diffId}`);
  }
  return { diffId };
}

async function firstBytes(file: string): Promise<Buffer> {
  const handle = await open(file, "r");
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(4), 0, 4, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}

/** What a layer's blob unpacks to, by its first bytes: gzip, zstd, or a tar as it is. */
export function contentOf(blob: AsyncIterable<Buffer>, head: Buffer): AsyncIterable<Buffer> {
  if (head[0] === 0x1f && head[1] === 0x8b) return compose(blob, createGunzip({ chunkSize: chunkBytes }));
  if (beginsAsZstd(head)) return compose(alignedFrames(blob), createZstdDecompress({ chunkSize: chunkBytes }));
  return blob;
}

/** The decompressor's output; what fails on the way to it fails here too. */
async function* compose(blob: AsyncIterable<Buffer>, through: Gunzip | ZstdDecompress): AsyncGenerator<Buffer> {
  const fed = pipeline(blob, through);
  fed.catch(() => {});
  try {
    yield* through as AsyncIterable<Buffer>;
    await fed;
  } finally {
    through.destroy();
  }
}

const zeros = Buffer.alloc(64 * 1024);

/** Writes what is not zero at its place; the file ends where the last byte would be. */
function sparseWriter(
  target: Awaited<ReturnType<typeof open>>,
  maxBytes: number,
): (source: AsyncIterable<Buffer>) => Promise<void> {
  return async (source) => {
    let position = 0;
    for await (const chunk of source) {
      if (position + chunk.length > maxBytes) throw corrupt(`it unpacks to more than ${maxBytes} bytes`);
      // What is not zero and lies together is written together.
      let start = 0;
      for (let at = 0; at < chunk.length; at += zeros.length) {
        const part = chunk.subarray(at, at + zeros.length);
        if (!part.equals(zeros.subarray(0, part.length))) continue;
        if (at > start) await writeAt(target, chunk.subarray(start, at), position + start);
        start = at + part.length;
      }
      if (start < chunk.length) await writeAt(target, chunk.subarray(start), position + start);
      position += chunk.length;
    }
    await target.truncate(position);
  };
}

async function writeAt(target: Awaited<ReturnType<typeof open>>, part: Buffer, position: number): Promise<void> {
  for (let done = 0; done < part.length; ) {
    const { bytesWritten } = await target.write(part, done, part.length - done, position + done);
    done += bytesWritten;
  }
}

/** What zlib says of broken data; a full disk stays what it is. */
function asCorrupt(error: unknown): unknown {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return /^(Z_|ZSTD_|ERR_(ZLIB|ZSTD|_ZLIB))/.test(code) || code === "ERR_BUFFER_TOO_LARGE"
    ? corrupt(`it is not whole: ${error instanceof Error ? error.message : code}`, error)
    : error;
}

const corrupt = (why: string, cause?: unknown): PlatformError =>
  new PlatformError("IMAGE_CORRUPT", `the layer is refused: ${why}`, { cause });

async function* hashed(source: AsyncIterable<Buffer>, hash: Hash): AsyncGenerator<Buffer> {
  for await (const chunk of source) {
    hash.update(chunk);
    yield chunk;
  }
}

function seen(see: (part: Buffer) => void): (source: AsyncIterable<Buffer>) => AsyncGenerator<Buffer> {
  return async function* pass(source) {
    for await (const chunk of source) {
      see(chunk);
      yield chunk;
    }
  };
}
