/**
 * A build's hold on the cache: a work directory of its own, and pins on what it uses.
 *
 * A build pins an entry and then looks whether it is being evicted; an eviction announces itself and then looks for pins. Each writes before it
 * reads, so at least one of them sees the other: what is pinned stays. Pins and work of a process that is gone are removed by the next build.
 * Pins with the session `kept` hold the images that were handed to the caller, until the process ends or prunes.
 */
import { randomBytes } from "node:crypto";
import { lstat, mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { CacheFolders, Category } from "./cache-folders.ts";
import { isAlive, isVisible, ownOwner } from "./owner.ts";
import { removeTree } from "./removal.ts";

/** An eviction renames one directory: milliseconds. */
const evictionWaitMs = 5_000;
const pollMs = 10;

export class Lease {
  readonly folders: CacheFolders;
  /** 0700, removed with the lease. */
  readonly workDirectory: string;
  readonly #owner: string;
  readonly #session: string;
  readonly #pins = new Set<string>();
  #works = 0;

  private constructor(folders: CacheFolders, owner: string, session: string) {
    this.folders = folders;
    this.#owner = owner;
    this.#session = session;
    this.workDirectory = join(folders.work, `${owner}.${session}`);
  }

  /** Makes the cache's folders where they are missing, and removes what dead builds left. */
  static async open(folders: CacheFolders): Promise<Lease> {
    for (const name of ["layers", "images", "work", "pins", "evicting"] as const) {
      await mkdir(folders[name], { recursive: true });
    }
    await sweep(folders);
    const lease = new Lease(folders, ownOwner(), randomBytes(6).toString("hex"));
    await mkdir(lease.workDirectory, { mode: 0o700 });
    await lease.#awaitEvictions(everyDownload);
    return lease;
  }

  /** A new empty directory (0700) inside the work directory. */
  async newDirectory(): Promise<string> {
    this.#works += 1;
    const directory = join(this.workDirectory, String(this.#works));
    await mkdir(directory, { mode: 0o700 });
    return directory;
  }

  /** From now on nobody evicts this entry, whether it is there already or not. */
  async pin(category: Category, key: string): Promise<void> {
    const name = `${category}-${key}.${this.#owner}.${this.#session}`;
    if (this.#pins.has(name)) return;
    this.#pins.add(name);
    await writeFile(join(this.folders.pins, name), "");
    await this.#awaitEvictions(`${category}-${key}`);
  }

  /** Like a pin, but it stays when the lease ends: until this process ends or prunes the cache. */
  async keep(category: Category, key: string): Promise<void> {
    await writeFile(join(this.folders.pins, `${category}-${key}.${this.#owner}.${keptSession}`), "");
  }

  async #awaitEvictions(mark: string): Promise<void> {
    const deadline = performance.now() + evictionWaitMs;
    while ((await isBeingEvicted(this.folders, mark)) && performance.now() < deadline) await delay(pollMs);
  }

  async end(): Promise<void> {
    await removeTree(this.workDirectory);
    // A pin that cannot be removed goes when this process is gone.
    for (const name of this.#pins) await rm(join(this.folders.pins, name), { force: true }).catch(() => {});
  }
}

const keptSession = "kept";

export interface Pin {
  readonly category: string;
  readonly key: string;
  readonly owner: string;
  /** Holds an image that was handed to the caller, not a build. */
  readonly kept: boolean;
  readonly file: string;
}

/** The pins of living processes. */
export async function livePins(folders: CacheFolders): Promise<readonly Pin[]> {
  const pins: Pin[] = [];
  for (const file of await readdir(folders.pins).catch(() => [])) {
    const [, category = "", key = "", owner = "", session = ""] = /^(\w+)-(\w+)\.([\d-]+)\.(\w+)$/.exec(file) ?? [];
    if (isAlive(owner))
      pins.push({ category, key, owner, kept: session === keptSession, file: join(folders.pins, file) });
  }
  return pins;
}

/** Gives up what this process was handed by earlier builds. */
export async function releaseKept(folders: CacheFolders): Promise<void> {
  const owner = ownOwner();
  for (const pin of await livePins(folders)) if (pin.kept && pin.owner === owner) await rm(pin.file, { force: true });
}

/** Runs `evict` unless somebody has pinned the entry; says whether it ran. */
export function whileEvicting(
  folders: CacheFolders,
  entry: { readonly category: Category; readonly key: string },
  evict: () => Promise<void>,
): Promise<boolean> {
  return marked(folders, `${entry.category}-${entry.key}`, evict, async () => {
    const pins = await livePins(folders);
    return !pins.some(({ category, key }) => category === entry.category && key === entry.key);
  });
}

/** Runs `evict` unless a build runs, other than that of `own`: what kinds of steps keep for themselves has no pins. */
export function whileNobodyBuilds(
  folders: CacheFolders,
  own: Lease | undefined,
  evict: () => Promise<void>,
): Promise<boolean> {
  return marked(folders, everyDownload, evict, async () => {
    const names = await readdir(folders.work).catch(() => []);
    const others = names.filter((name) => !name.includes(asideMark) && join(folders.work, name) !== own?.workDirectory);
    return !others.some((name) => isAlive(name.split(".")[0] ?? ""));
  });
}

const asideMark = ".evicted-";

/** A new name in the work directory for what is going to be removed: the next build removes it if we do not live to. */
export const evictedPath = (folders: CacheFolders): string =>
  join(folders.work, `${ownOwner()}${asideMark}${randomBytes(6).toString("hex")}`);

/** Removes what dead processes left; of those that cannot be seen from here what was not touched for a day. */
export async function sweep(folders: CacheFolders): Promise<void> {
  for (const [folder, place] of [
    [folders.work, 0],
    [folders.pins, 1],
    [folders.evicting, 1],
  ] as const) {
    for (const name of await readdir(folder).catch(() => [])) {
      const owner = name.split(".")[place] ?? "";
      const path = join(folder, name);
      if (isAlive(owner) && (isVisible(owner) || (await ageMs(path)) < forgottenMs)) continue;
      await removeTree(path);
    }
  }
}

const forgottenMs = 24 * 3_600_000;

const ageMs = (path: string): Promise<number> =>
  lstat(path).then(
    ({ mtimeMs }) => Date.now() - mtimeMs,
    () => 0,
  );

/** Mark of an eviction of what has no key of its own. */
const everyDownload = "downloads-all";

async function marked(
  folders: CacheFolders,
  name: string,
  evict: () => Promise<void>,
  isFree: () => Promise<boolean>,
): Promise<boolean> {
  await mkdir(folders.evicting, { recursive: true });
  const mark = join(folders.evicting, `${name}.${ownOwner()}.${randomBytes(4).toString("hex")}`);
  await writeFile(mark, "");
  try {
    if (!(await isFree())) return false;
    await evict();
    return true;
  } finally {
    await rm(mark, { force: true });
  }
}

async function isBeingEvicted(folders: CacheFolders, mark: string): Promise<boolean> {
  const marks = await readdir(folders.evicting);
  return marks.some((name) => name.startsWith(`${mark}.`) && isAlive(name.split(".")[1] ?? ""));
}
