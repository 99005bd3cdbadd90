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
import type { Content, FileTree, TreeEntry } from "../tree/file-tree.ts";
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
  return packed(tree, options, true);
}

/** Writes a tree as a plain tar, as a root file system is handed to other tools, and ends the stream. IMAGE_BUILD_FAILED when there are whiteouts in it. */
export async function writeTreeTar(tree: FileTree, sink: Writable, options: TarOptions): Promise<void> {
  await pipeline(packed(tree, options, false), sink, options.signal === undefined ? {} : { signal: options.signal });
}

async function* packed(tree: FileTree, options: TarOptions, asLayer: boolean): AsyncGenerator<Buffer> {
  using reader = new ContentReader();
  const gathered = new Gathered();
  for (const [path, entry] of tree.entries()) {
    options.signal?.throwIfAborted();
    options.onEntry?.();
    if (options.withoutImplied === true && tree.implied(path)) continue;
    for (const header of headersOf(path, entry, options.epochSeconds, asLayer)) {
      checkHeader(header);
      yield* gathered.add(encodeHeader(header));
    }
    if (entry.kind === "file") yield* packContent(entry.content, reader, gathered, options.signal);
  }
  yield* gathered.add(Buffer.alloc(2 * blockBytes));
  yield* gathered.rest();
}

function* packContent(
  content: Content,
  reader: ContentReader,
  gathered: Gathered,
  signal: AbortSignal | undefined,
): Generator<Buffer> {
  const size = contentSize(content);
  for (let at = 0; at < size; at += chunkBytes) {
    signal?.throwIfAborted();
    yield* gathered.add(reader.chunk(content, at));
  }
  yield* gathered.add(Buffer.alloc(paddingOf(size)));
}

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

/** Makes chunks of a good size out of many small pieces. */
class Gathered {
  #pieces: Buffer[] = [];
  #size = 0;

  *add(piece: Buffer): Generator<Buffer> {
    if (piece.length === 0) return;
    this.#pieces.push(piece);
    this.#size += piece.length;
    if (this.#size >= chunkBytes) yield* this.rest();
  }

  *rest(): Generator<Buffer> {
    if (this.#size === 0) return;
    const chunk =
      this.#pieces.length === 1 ? (this.#pieces[0] ?? Buffer.alloc(0)) : Buffer.concat(this.#pieces, this.#size);
    this.#pieces = [];
    this.#size = 0;
    yield chunk;
  }
}

const refused = (path: string, why: string): PlatformError =>
  new PlatformError("IMAGE_BUILD_FAILED", `${JSON.stringify(path)} cannot be packed: ${why}`);
