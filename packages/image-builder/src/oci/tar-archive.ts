/**
 * A tree as a tar stream, byte for byte the same for the same tree and date.
 *
 * Sorted entries (hard links last), numeric owners without names, times clamped to the date. Small files and headers are gathered into chunks, large
 * files pass through in chunks: memory does not grow with the tree's contents.
 */
import type { Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { PlatformError } from "@liquidmetal/foundation";
import { ContentReader, chunkBytes, contentSize } from "../tree/content.ts";
import type { FileTree, TreeEntry } from "../tree/file-tree.ts";
import { blockBytes, checkHeader, encodeHeader, paddingOf, type TarHeader } from "./tar-header.ts";

export interface TarOptions {
  /** Seconds since 1970: no entry is younger, and one without a time is as old. */
  readonly epochSeconds: number;
  /** Leaves out directories that the tree only implies: unpackers take what an entry says for the directory's new state. Default false. */
  readonly withoutImplied?: boolean;
  readonly onEntry?: () => void;
  readonly signal?: AbortSignal;
}

/** OCI's name for "this directory hides what lies below". */
export const opaqueMark = ".wh..wh..opq";
export const whiteoutPrefix = ".wh.";

/** The tree as an OCI layer: whiteouts and opaque directories as `.wh.` files. It fails when a file on disk is no longer as long as the tree says. */
export function tarOf(tree: FileTree, options: TarOptions): AsyncGenerator<Buffer> {
  return packed(tree, options, true, newBuffer);
}

/**
 * The same in chunks of one size, in buffers that are used again: a chunk is only good until `inUse` minus one others have been asked for. Half of the work
 * of packing is collecting buffers.
 */
export function fleetingTarOf(
  tree: FileTree,
  options: TarOptions,
  buffers: { readonly bytes: number; readonly inUse: number } = { bytes: chunkBytes, inUse: 3 },
): AsyncGenerator<Buffer> {
  const ring: Buffer[] = [];
  let turns = 0;
  return packed(tree, options, true, () => {
    const at = turns++ % buffers.inUse;
    const buffer = ring[at] ?? Buffer.allocUnsafeSlow(buffers.bytes);
    ring[at] = buffer;
    return buffer;
  });
}

const newBuffer = (): Buffer => Buffer.allocUnsafeSlow(chunkBytes);

/** Writes a tree as a plain tar, as a root file system is handed to other tools, and ends the stream. IMAGE_BUILD_FAILED when there are whiteouts in it. */
export async function writeTreeTar(tree: FileTree, sink: Writable, options: TarOptions): Promise<void> {
  await pipeline(
    packed(tree, options, false, newBuffer),
    sink,
    options.signal === undefined ? {} : { signal: options.signal },
  );
}

async function* packed(
  tree: FileTree,
  options: TarOptions,
  asLayer: boolean,
  nextBuffer: () => Buffer,
): AsyncGenerator<Buffer> {
  using reader = new ContentReader();
  const chunks = new Chunks(nextBuffer);
  for (const [path, entry] of tree.entries()) {
    options.signal?.throwIfAborted();
    options.onEntry?.();
    if (options.withoutImplied === true && tree.implied(path)) continue;
    for (const header of headersOf(path, entry, options.epochSeconds, asLayer)) {
      checkHeader(header);
      yield* chunks.bytes(encodeHeader(header));
    }
    if (entry.kind === "file") {
      const size = contentSize(entry.content);
      for (let at = 0; at < size; ) {
        options.signal?.throwIfAborted();
        const place = chunks.place(size - at);
        reader.read(entry.content, at, place);
        at += place.length;
        yield* chunks.filled(place.length);
      }
      yield* chunks.bytes(zeros.subarray(0, paddingOf(size)));
    }
  }
  yield* chunks.bytes(zeros);
  yield* chunks.rest();
}

/** The end of an archive, and the padding of files. */
const zeros = Buffer.alloc(2 * blockBytes);

function* headersOf(path: string, entry: TreeEntry, dateSeconds: number, asLayer: boolean): Generator<TarHeader> {
  const mtimeSeconds = Math.min(Math.floor(entry.mtimeSeconds ?? dateSeconds), dateSeconds);
  const { mode, uid, gid, xattrs } = entry;
  const own = { path, mode, uid, gid, mtimeSeconds, sizeBytes: 0, ...(xattrs !== undefined && { xattrs }) };
  const mark = { type: "file", mode: 0o644, uid: 0, gid: 0, mtimeSeconds: dateSeconds, sizeBytes: 0 } as const;
  const slash = path.lastIndexOf("/") + 1;
  if (asLayer && path.startsWith(whiteoutPrefix, slash))
    throw refused(path, "names that begin with .wh. are reserved in layers");
  if (!asLayer && (entry.kind === "whiteout" || (entry.kind === "directory" && entry.opaque === true))) {
    throw refused(path, "it hides something, and there is nothing below");
  }
  switch (entry.kind) {
    case "directory":
      yield { ...own, type: "directory" };
      if (entry.opaque === true) yield { ...mark, path: `${path}/${opaqueMark}` };
      return;
    case "file":
      yield { ...own, type: "file", sizeBytes: contentSize(entry.content) };
      return;
    case "symlink":
    case "hardlink":
      yield { ...own, type: entry.kind, target: entry.target };
      return;
    case "character-device":
    case "block-device":
      yield { ...own, type: entry.kind, major: entry.major, minor: entry.minor };
      return;
    case "fifo":
      yield { ...own, type: "fifo" };
      return;
    case "whiteout":
      yield { ...mark, path: `${path.slice(0, slash)}${whiteoutPrefix}${path.slice(slash)}` };
      return;
    default: {
      const never: never = entry;
      return never;
    }
  }
}

/** Chunks of one size out of pieces of any: everything is put where it stays. */
class Chunks {
  readonly #nextBuffer: () => Buffer;
  #buffer: Buffer;
  #length = 0;

  constructor(nextBuffer: () => Buffer) {
    this.#nextBuffer = nextBuffer;
    this.#buffer = nextBuffer();
  }

  /** Where the next bytes belong: as many as are wanted, or as there is room for. Say `filled` when they are there. */
  place(wanted: number): Buffer {
    return this.#buffer.subarray(this.#length, this.#length + wanted);
  }

  *filled(length: number): Generator<Buffer> {
    this.#length += length;
    if (this.#length === this.#buffer.length) yield* this.rest();
  }

  *bytes(piece: Buffer): Generator<Buffer> {
    for (let at = 0; at < piece.length; ) {
      const copied = piece.copy(this.#buffer, this.#length, at);
      at += copied;
      yield* this.filled(copied);
    }
  }

  *rest(): Generator<Buffer> {
    if (this.#length === 0) return;
    const chunk = this.#buffer.subarray(0, this.#length);
    this.#buffer = this.#nextBuffer();
    this.#length = 0;
    yield chunk;
  }
}

const refused = (path: string, why: string): PlatformError =>
  new PlatformError("IMAGE_BUILD_FAILED", `${JSON.stringify(path)} cannot be packed: ${why}`);
