/**
 * A tree as a tar stream, byte for byte the same for the same tree and time (POSIX ustar, pax headers where names are long).
 *
 * Sorted entries, numeric owners without names, one modification time for all.
 */

import { once } from "node:events";
import { createReadStream } from "node:fs";
import { PlatformError } from "@liquidmetal/foundation";
import { type Header, type Pack, pack } from "tar-stream";
import type { Content, FileTree, TreeEntry } from "../tree/file-tree.ts";

export interface TarOptions {
  /** Seconds since 1970, of every entry. */
  readonly epochSeconds: number;
  readonly onEntry?: () => void;
  readonly signal?: AbortSignal;
}

type EntryHeader = Partial<Header> & Pick<Header, "name">;

/** The archive as a stream of bytes. It fails when a file on disk is no longer as long as the tree says. */
export function tarOf(tree: FileTree, options: TarOptions): AsyncIterable<Buffer> {
  const archive = pack();
  writeEntries(archive, tree, options).then(
    () => archive.finalize(),
    (error: unknown) => archive.destroy(error instanceof Error ? error : new Error(String(error))),
  );
  return archive as unknown as AsyncIterable<Buffer>;
}

async function writeEntries(archive: Pack, tree: FileTree, options: TarOptions): Promise<void> {
  for (const [path, entry] of tree.entries()) {
    options.signal?.throwIfAborted();
    await writeEntry(archive, header(path, entry, options.epochSeconds), entry);
    options.onEntry?.();
  }
}

function header(path: string, entry: TreeEntry, epochSeconds: number): EntryHeader {
  const { kind, mode, uid, gid } = entry;
  const common = { name: path, mode, uid, gid, mtime: new Date(epochSeconds * 1000) };
  switch (kind) {
    case "directory":
      return { ...common, name: `${path}/`, type: "directory" };
    case "file":
      return { ...common, type: "file", size: contentSize(entry.content) };
    case "symlink":
      return { ...common, type: "symlink", linkname: entry.target };
    case "hardlink":
      return { ...common, type: "link", linkname: entry.target };
    case "character-device":
    case "block-device":
      return { ...common, type: kind, devmajor: entry.major, devminor: entry.minor };
    case "fifo":
      return { ...common, type: "fifo" };
    case "whiteout":
      return { ...common, name: path.replace(/[^/]+$/, ".wh.$&"), type: "file", size: 0, mode: 0o644 };
    default: {
      const never: never = kind;
      return never;
    }
  }
}

async function writeEntry(archive: Pack, head: EntryHeader, entry: TreeEntry): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const done = (error?: Error | null): void => (error ? reject(error) : resolve());
  if (entry.kind !== "file") archive.entry(head, done);
  else if ("bytes" in entry.content) archive.entry(head, entry.content.bytes, done);
  else {
    const { file, sizeBytes, offsetBytes = 0 } = entry.content;
    const sink = archive.entry(head, done);
    // Both end with the archive when it is destroyed; who reads the archive learns why.
    sink.on("error", () => {});
    promise.catch(() => {});
    let seen = 0;
    for await (const chunk of createReadStream(
      file,
      offsetBytes === 0 ? {} : { start: offsetBytes, end: offsetBytes + sizeBytes - 1 },
    )) {
      seen += chunk.length;
      if (seen > sizeBytes) break;
      if (!sink.write(chunk)) await Promise.race([once(sink, "drain"), promise]);
    }
    if (seen !== sizeBytes) throw new PlatformError("IMAGE_BUILD_FAILED", `${file} changed while it was packed`);
    sink.end(null);
  }
  await promise;
}

const contentSize = (content: Content): number => ("bytes" in content ? content.bytes.length : content.sizeBytes);
