/**
 * Reads log files that someone else writes and rotates: the last lines, or all, then what is appended.
 *
 * Following needs no polling of content: the directory is watched (inotify), and a slow heartbeat makes up for file systems that say nothing.
 * A file that was replaced (rotated) is read to its end before the new one is begun; one that was cut is read from its start.
 */
import { type FSWatcher, watch as watchDirectory } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";
import { basename, dirname } from "node:path";

export interface LogReadOptions {
  /** Last lines only; 0 = all. */
  readonly tailLines: number;
  readonly follow: boolean;
  readonly signal: AbortSignal;
  /** Heartbeat for file systems without notification, milliseconds. Default 2,000. */
  readonly heartbeatMs?: number;
}

const chunkBytes = 65_536;

/** `files` oldest first; the last one is the one being written. Files that do not exist (yet) count as empty. */
export async function* readLogs(files: readonly string[], options: LogReadOptions): AsyncGenerator<Uint8Array> {
  const newest = files.at(-1);
  if (newest === undefined) return;
  using wake = options.follow ? new Wake(newest, options) : undefined;
  let position = 0;
  let current: FileHandle | undefined;
  try {
    const start = await tailStart(files, options.tailLines);
    for (const [index, path] of files.entries()) {
      if (index < start.index) continue;
      const handle = await openIfThere(path);
      if (handle === undefined) continue;
      if (path === newest) current = handle;
      const from = index === start.index ? start.offset : 0;
      try {
        for await (const chunk of readFrom(handle, from, options.signal)) {
          if (path === newest) position = chunk.endOffset;
          yield chunk.bytes;
        }
        if (path === newest) position = Math.max(position, from);
      } finally {
        if (path !== newest) await handle.close();
      }
    }
    while (wake !== undefined && !options.signal.aborted) {
      await wake.next();
      if (current !== undefined) {
        const { size } = await current.stat();
        if (size < position) position = 0;
        for await (const chunk of readFrom(current, position, options.signal)) {
          position = chunk.endOffset;
          yield chunk.bytes;
        }
      }
      if (current === undefined || (await wasReplaced(current, newest))) {
        const next = await openIfThere(newest);
        if (next === undefined) continue;
        await current?.close();
        current = next;
        position = 0;
        wake.again();
      }
    }
  } finally {
    await current?.close();
  }
}

/** Where the last `lines` lines begin: which file, and the byte in it. */
async function tailStart(files: readonly string[], lines: number): Promise<{ index: number; offset: number }> {
  if (lines <= 0) return { index: 0, offset: 0 };
  let missing = lines;
  let first = true;
  for (let index = files.length - 1; index >= 0; index--) {
    const handle = await openIfThere(files[index] ?? "");
    if (handle === undefined) continue;
    try {
      const buffer = new Uint8Array(chunkBytes);
      for (let end = (await handle.stat()).size; end > 0; ) {
        const from = Math.max(0, end - chunkBytes);
        const { bytesRead } = await handle.read(buffer, 0, end - from, from);
        for (let at = bytesRead - 1; at >= 0; at--) {
          const isLineEnd = buffer[at] === 0x0a;
          // The line end that closes the very last line does not begin another.
          if (isLineEnd && !first && --missing === 0) return { index, offset: from + at + 1 };
          first = false;
        }
        end = from;
      }
    } finally {
      await handle.close();
    }
  }
  return { index: 0, offset: 0 };
}

async function* readFrom(
  handle: FileHandle,
  offset: number,
  signal: AbortSignal,
): AsyncGenerator<{ readonly bytes: Uint8Array; readonly endOffset: number }> {
  for (let at = offset; !signal.aborted; ) {
    const buffer = new Uint8Array(chunkBytes);
    const { bytesRead } = await handle.read(buffer, 0, chunkBytes, at);
    if (bytesRead === 0) return;
    at += bytesRead;
    yield { bytes: buffer.subarray(0, bytesRead), endOffset: at };
  }
}

async function openIfThere(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, "r");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}

async function wasReplaced(handle: FileHandle, path: string): Promise<boolean> {
  try {
    const [held, named] = await Promise.all([handle.stat(), stat(path)]);
    return held.ino !== named.ino;
  } catch {
    return false;
  }
}

/** Something may have been written: a notification, a heartbeat, or the end. */
class Wake implements Disposable {
  readonly #watcher: FSWatcher | undefined;
  readonly #timer: NodeJS.Timeout;
  readonly #signal: AbortSignal;
  #pending = false;
  #resolve: (() => void) | undefined;

  constructor(path: string, options: LogReadOptions) {
    this.#signal = options.signal;
    this.#timer = setInterval(this.again, options.heartbeatMs ?? 2_000);
    options.signal.addEventListener("abort", this.again, { once: true });
    this.#watcher = this.#watch(dirname(path), basename(path));
  }

  readonly again = (): void => {
    this.#pending = true;
    this.#resolve?.();
  };

  async next(): Promise<void> {
    if (!this.#pending && !this.#signal.aborted) {
      await new Promise<void>((resolve) => {
        this.#resolve = resolve;
      });
    }
    this.#pending = false;
    this.#resolve = undefined;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#signal.removeEventListener("abort", this.again);
    this.#watcher?.close();
  }

  /** Without notification (no such directory yet, no watches left) the heartbeat alone does it. */
  #watch(directory: string, name: string): FSWatcher | undefined {
    try {
      const watcher = watchDirectory(directory, { persistent: false }, (_event, changed) => {
        if (changed === null || changed === name) this.again();
      });
      watcher.on("error", () => watcher.close());
      return watcher;
    } catch {
      return undefined;
    }
  }
}
