/**
 * Reads image archives: tar streams of an OCI layout or of `docker save`, plain or compressed with gzip or zstd.
 *
 * The stream is read once, in whatever order its entries come: blobs go straight into the content store, only the few JSON documents stay in memory. Names that
 * lead out of the archive, links that do, too many entries and too many bytes are IMAGE_CORRUPT.
 */
import { posix } from "node:path";
import { Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { PlatformError } from "@liquidmetal/foundation";
import { documentMaxBytes } from "@liquidmetal/registry";
import { extract } from "tar-stream";
import type { BlobWrite } from "../containerd/content.ts";

export interface ArchiveLimits {
  /** Entries of an archive. Default 20,000. */
  readonly entriesMax?: number;
  /** Uncompressed bytes of an archive. Default 64 GiB. */
  readonly bytesMax?: number;
}

export interface ArchivedBlob {
  readonly digest: string;
  readonly sizeBytes: number;
  /** The first bytes, by which compressions are told apart. */
  readonly head: Uint8Array;
}

export interface ReadArchive {
  /** JSON documents at the top, by path. */
  readonly documents: ReadonlyMap<string, Uint8Array>;
  /** Everything else, by path; links are resolved. */
  readonly blobs: ReadonlyMap<string, ArchivedBlob>;
}

export type BlobSink = (blob: BlobWrite) => Promise<{ readonly digest: string; readonly sizeBytes: number }>;

const documentNames: ReadonlySet<string> = new Set(["index.json", "manifest.json", "oci-layout", "repositories"]);
const headBytes = 6;

export async function readArchive(
  archive: AsyncIterable<Uint8Array>,
  sink: BlobSink,
  options: ArchiveLimits & { readonly ref: string; readonly signal?: AbortSignal | undefined },
): Promise<ReadArchive> {
  const documents = new Map<string, Uint8Array>();
  const blobs = new Map<string, ArchivedBlob>();
  const links = new Map<string, string>();
  const { entriesMax = 20_000, bytesMax = 64 * 1024 ** 3 } = options;
  const tar = extract();
  const feeding = pipeline(
    await uncompressed(archive),
    limited(bytesMax),
    tar,
    options.signal === undefined ? {} : { signal: options.signal },
  );
  feeding.catch(() => undefined);
  let entries = 0;
  try {
    for await (const entry of tar) {
      if (++entries > entriesMax) throw corrupt(`more than ${entriesMax} entries`);
      const path = entryPath(entry.header.name);
      const { type } = entry.header;
      if (type === "symlink" || type === "link") {
        links.set(path, linkPath(entry.header.linkname ?? "", type === "link" ? "" : posix.dirname(path)));
      } else if (type === "file" || type === "contiguous-file") {
        if (documentNames.has(path)) documents.set(path, await readWhole(entry as AsyncIterable<Uint8Array>, path));
        else
          blobs.set(
            path,
            await store(entry as AsyncIterable<Uint8Array>, path, entry.header.size ?? 0, sink, options.ref),
          );
      } else if (type !== "directory" && type !== null) {
        throw corrupt(`entry '${path.slice(0, 200)}' is a ${type}`);
      }
      entry.resume();
    }
    await feeding;
  } catch (error) {
    tar.destroy();
    await feeding.catch(() => undefined);
    options.signal?.throwIfAborted();
    if (error instanceof PlatformError) throw error;
    throw new PlatformError("IMAGE_CORRUPT", `the archive cannot be read: ${(error as Error).message}`, {
      cause: error,
    });
  }
  for (const [path, target] of links) {
    const blob = blobs.get(target);
    if (blob !== undefined) blobs.set(path, blob);
  }
  return { documents, blobs };
}

async function store(
  entry: AsyncIterable<Uint8Array>,
  path: string,
  sizeBytes: number,
  sink: BlobSink,
  ref: string,
): Promise<ArchivedBlob> {
  const [, algorithm, hex] = /^blobs\/([a-z0-9]+)\/([0-9a-f]+)$/.exec(path) ?? [];
  if (path.startsWith("blobs/") && (algorithm !== "sha256" || hex?.length !== 64))
    throw corrupt(`'${path.slice(0, 200)}' is not a sha256 blob`);
  let head: Uint8Array = new Uint8Array();
  const noted = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const chunk of entry) {
      if (head.length < headBytes) head = Buffer.concat([head, chunk.subarray(0, headBytes - head.length)]);
      yield chunk;
    }
  };
  const written = await sink({
    ref: `${ref}-${path}`,
    sizeBytes,
    ...(hex === undefined ? {} : { digest: `sha256:${hex}` }),
    open: () => noted(),
  });
  return { ...written, head };
}

/** An entry's path, without `./`. Nothing that leads out of the archive, and no `..` at all. */
function entryPath(name: string): string {
  if (name.includes("\0") || posix.isAbsolute(name) || name.split("/").includes("..")) {
    throw corrupt(`entry '${name.slice(0, 200)}' leads out of the archive`);
  }
  return posix.normalize(name).replace(/\/+$/, "");
}

/** The path that a link leads to. `docker save` links one layer to another by `../other/layer.tar`. */
function linkPath(target: string, from: string): string {
  const path = posix.normalize(posix.join(from, target));
  if (target.includes("\0") || posix.isAbsolute(target) || path === ".." || path.startsWith("../")) {
    throw corrupt(`a link to '${target.slice(0, 200)}' leads out of the archive`);
  }
  return path;
}

async function readWhole(entry: AsyncIterable<Uint8Array>, path: string): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let total = 0;
  for await (const part of entry) {
    total += part.length;
    if (total > documentMaxBytes) throw corrupt(`${path} is larger than ${documentMaxBytes} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts, total);
}

/** Looks at the first bytes, and undoes what compression there is. */
async function uncompressed(archive: AsyncIterable<Uint8Array>): Promise<Readable> {
  const iterator = archive[Symbol.asyncIterator]();
  let head: Uint8Array = new Uint8Array();
  while (head.length < 4) {
    const { value, done } = await iterator.next();
    if (done === true) break;
    head = head.length === 0 ? value : Buffer.concat([head, value]);
  }
  if (head.length === 0) throw corrupt("it is empty");
  const rest = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
    yield head;
    try {
      for (;;) {
        const { value, done } = await iterator.next();
        if (done === true) return;
        yield value;
      }
    } finally {
      await iterator.return?.();
    }
  };
  const source = Readable.from(rest(), { objectMode: false });
  const decompressor = decompressorFor(head);
  if (decompressor === undefined) return source;
  pipeline(source, decompressor).catch(() => undefined);
  return decompressor;
}

function decompressorFor(head: Uint8Array): Transform | undefined {
  if (head[0] === 0x1f && head[1] === 0x8b) return createGunzip();
  if (isZstd(head)) return createZstdDecompress();
  return undefined;
}

export function isGzip(head: Uint8Array): boolean {
  return head[0] === 0x1f && head[1] === 0x8b;
}

export function isZstd(head: Uint8Array): boolean {
  return head[0] === 0x28 && head[1] === 0xb5 && head[2] === 0x2f && head[3] === 0xfd;
}

function limited(bytesMax: number): Transform {
  let total = 0;
  return new Transform({
    transform(chunk: Uint8Array, _encoding, done): void {
      total += chunk.length;
      if (total > bytesMax) done(corrupt(`more than ${bytesMax} bytes`));
      else done(null, chunk);
    },
  });
}

function corrupt(why: string): PlatformError {
  return new PlatformError("IMAGE_CORRUPT", `the archive is refused: ${why}`);
}
