/**
 * Entries of the cache by key: a folder with a record and the files that it names.
 *
 * Invariants: an entry appears whole, by one rename, after everything in it is on the disk; an entry is never changed; one whose files are missing or
 * have another size is removed and counts as absent. Two builds that publish one key both go on, with what the first has published.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readFile, rename, stat, utimes } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { z } from "zod";
import type { Category } from "./cache-folders.ts";
import { syncFile } from "./durable.ts";
import type { Lease } from "./lease.ts";
import { removeTree } from "./removal.ts";

export interface EntryKind<R> {
  readonly category: Category;
  /** Name of the record's file. */
  readonly recordName: string;
  readonly schema: z.ZodType<R>;
  /** How much older it counts when the cache is bounded. */
  readonly olderMs: number;
  /** Every file of the entry besides the record, relative to it. `digest`: `sha256:<hex>` of what is in it. */
  files(record: R): readonly { readonly path: string; readonly sizeBytes: number; readonly digest: string }[];
}

export class EntryStore<R> {
  readonly #kind: EntryKind<R>;
  readonly #lease: Lease;

  constructor(kind: EntryKind<R>, lease: Lease) {
    this.#kind = kind;
    this.#lease = lease;
  }

  directory(key: string): string {
    return join(this.#lease.folders[this.#kind.category], key);
  }

  /** The record of a whole entry, which is pinned from now on and the most recently used. */
  async find(key: string): Promise<R | undefined> {
    await this.#lease.pin(this.#kind.category, key);
    const directory = this.directory(key);
    if (!(await isThere(directory))) return undefined;
    const record = await readEntry(this.#kind, directory);
    if (record === undefined) await this.#discard(directory);
    else await this.touch(key);
    return record;
  }

  /**
   * Reads every file of the entry that `find` has found: false when one of them is not what the record says, and then the entry is gone. Disks forget,
   * and files that are linked into other folders are written to.
   */
  async verify(key: string, record: R, signal: AbortSignal): Promise<boolean> {
    const directory = this.directory(key);
    for (const { path, digest } of this.#kind.files(record)) {
      if ((await fileDigest(join(directory, path), signal)) === digest) continue;
      const aside = await this.#setAside(directory);
      if (aside !== undefined) await removeTree(aside);
      return false;
    }
    return true;
  }

  /** The entry was used now. */
  async touch(key: string): Promise<void> {
    const now = new Date(Date.now() - this.#kind.olderMs);
    await utimes(join(this.directory(key), this.#kind.recordName), now, now).catch(() => {});
  }

  /**
   * Makes the finished and synced folder `staged` the entry of `key`. The record that counts is returned: that of who was first, or with `replace` this
   * one.
   */
  async publish(staged: string, key: string, options: { readonly replace?: boolean } = {}): Promise<R> {
    await this.#lease.pin(this.#kind.category, key);
    const directory = this.directory(key);
    if (options.replace === true) await this.#setAside(directory);
    for (let attempt = 0; ; attempt += 1) {
      try {
        await rename(staged, directory);
        await syncFile(dirname(directory));
      } catch (error) {
        const taken = error instanceof Error && "code" in error && /^(ENOTEMPTY|EEXIST)$/.test(String(error.code));
        if (!taken || attempt > 2) throw error;
      }
      const record = await readEntry(this.#kind, directory);
      if (record === undefined) await this.#discard(directory);
      else {
        await this.touch(key);
        return record;
      }
    }
  }

  /** A damaged entry: out of sight by one rename, then gone. One that was whole after all (somebody was faster) comes back. */
  async #discard(directory: string): Promise<void> {
    const aside = await this.#setAside(directory);
    if (aside === undefined) return;
    const whole = (await readEntry(this.#kind, aside)) !== undefined;
    const back = whole ? await rename(aside, directory).then(isTrue, isFalse) : false;
    if (!back) await removeTree(aside);
  }

  /** Into the work directory, which goes with the lease. */
  async #setAside(directory: string): Promise<string | undefined> {
    const aside = join(await this.#lease.newDirectory(), "aside");
    return await rename(directory, aside).then(
      () => aside,
      () => undefined,
    );
  }
}

async function fileDigest(file: string, signal: AbortSignal): Promise<string> {
  const hash = createHash("sha256");
  const options = { highWaterMark: 1024 * 1024, signal };
  for await (const chunk of createReadStream(file, options)) hash.update(chunk as Buffer);
  return `sha256:${hash.digest("hex")}`;
}

const isTrue = (): boolean => true;
const isFalse = (): boolean => false;
const isThere = (path: string): Promise<boolean> => stat(path).then(isTrue, isFalse);

/** The record, if it can be read and every file is there in its size. */
export async function readEntry<R>(kind: EntryKind<R>, directory: string): Promise<R | undefined> {
  try {
    const record = kind.schema.parse(JSON.parse(await readFile(join(directory, kind.recordName), "utf8")));
    for (const { path, sizeBytes } of kind.files(record)) {
      if ((await stat(join(directory, path))).size !== sizeBytes) return undefined;
    }
    return record;
  } catch {
    return undefined;
  }
}
