/**
 * Who was promised how much disk.
 *
 * A volume is thin: it is promised its whole size and takes what is written. The ledger keeps one small file per volume beside its base, so that promises and uses of
 * bases are known again after a restart; the directory is the truth, the map in memory a copy of it.
 */
import { mkdir, readdir, readFile, rename, rm, stat, statfs, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Clock, PlatformError } from "@liquidmetal/foundation";
import { z } from "zod";

export interface LedgerEntry {
  readonly owner: string;
  readonly volumeId: string;
  readonly baseKey: string;
  readonly imageDigest: string;
  readonly path: string;
  readonly format: "raw" | "qcow2";
  readonly readOnly: boolean;
  readonly sizeBytes: number;
}

export interface DiskSpace {
  readonly freeBytes: number;
  readonly totalBytes: number;
}

export interface DiskLedgerOptions {
  readonly directory: string;
  /** Bytes that always stay free. */
  readonly reserveBytes: number;
  /** Promises may come to this many times the space there is. */
  readonly overcommitFactor: number;
  readonly clock: Clock;
}

/** How old the knowledge of what volumes have written may be, in milliseconds, when another is admitted. */
const lookAgainMs = 2_000;

const entrySchema = z.object({
  owner: z.string(),
  volumeId: z.string(),
  baseKey: z.string(),
  imageDigest: z.string(),
  path: z.string(),
  format: z.enum(["raw", "qcow2"]),
  readOnly: z.boolean(),
  sizeBytes: z.number(),
});

export class DiskLedger {
  readonly #options: DiskLedgerOptions;
  readonly #entries: Map<string, LedgerEntry> = new Map();
  /** Promised and not yet written, by volume, as last looked up. */
  readonly #outstanding: Map<string, number> = new Map();
  #outstandingBytes = 0;
  #lookedMs = Number.NEGATIVE_INFINITY;

  private constructor(options: DiskLedgerOptions) {
    this.#options = options;
  }

  /**
   * Reads what is there. Torn files (a power cut) and promises of volumes that are not there are dropped: those were never reported as made, or are gone with
   * their microVM.
   */
  static async open(options: DiskLedgerOptions): Promise<DiskLedger> {
    const ledger = new DiskLedger(options);
    await mkdir(options.directory, { recursive: true, mode: 0o700 });
    for (const name of await readdir(options.directory)) {
      const entry = await readEntry(join(options.directory, name));
      if (entry === undefined || !(await there(entry.path))) await rm(join(options.directory, name), { force: true });
      else ledger.#entries.set(keyOf(entry.owner, entry.volumeId), entry);
    }
    return ledger;
  }

  get(owner: string, volumeId: string): LedgerEntry | undefined {
    return this.#entries.get(keyOf(owner, volumeId));
  }

  hasPath(path: string): boolean {
    return this.#entries.values().some((entry) => entry.path === path);
  }

  usersOf(baseKey: string): number {
    return this.#entries.values().reduce((count, entry) => count + (entry.baseKey === baseKey ? 1 : 0), 0);
  }

  /** Writes a promise down, before the volume is made. DISK_FULL when it cannot be kept. */
  async promise(entry: LedgerEntry): Promise<void> {
    const key = keyOf(entry.owner, entry.volumeId);
    const space = await this.#look();
    // No await from the check to the note, so that of two who ask at the same time the second sees the first.
    if (!entry.readOnly) this.#refuse(entry.volumeId, entry.sizeBytes, space);
    this.#entries.set(key, entry);
    this.#setOutstanding(key, entry.readOnly ? 0 : entry.sizeBytes);
    try {
      const path = this.#path(entry.owner, entry.volumeId);
      await writeFile(`${path}.tmp`, JSON.stringify(entry), { mode: 0o600 });
      await rename(`${path}.tmp`, path);
    } catch (error) {
      this.#drop(key);
      throw ledgerFailure(error);
    }
  }

  async forget(owner: string, volumeId: string): Promise<void> {
    await rm(this.#path(owner, volumeId), { force: true });
    this.#drop(keyOf(owner, volumeId));
  }

  /** DISK_FULL when a volume of this size could not be promised now. */
  async admit(volumeId: string, sizeBytes: number): Promise<void> {
    this.#refuse(volumeId, sizeBytes, await this.#look());
  }

  async #look(): Promise<DiskSpace> {
    if (this.#options.clock.monotonicMs() - this.#lookedMs > lookAgainMs) await this.outstandingBytes();
    return await this.space();
  }

  #refuse(volumeId: string, sizeBytes: number, { freeBytes, totalBytes }: DiskSpace): void {
    const { reserveBytes, overcommitFactor } = this.#options;
    const room = Math.max(0, freeBytes - reserveBytes) * overcommitFactor;
    if (sizeBytes <= totalBytes && this.#outstandingBytes + sizeBytes <= room) return;
    throw new PlatformError(
      "DISK_FULL",
      `volume ${volumeId} wants ${mib(sizeBytes)}: of ${mib(totalBytes)} are ${mib(freeBytes)} free (${mib(reserveBytes)} kept back, over-commit factor ${overcommitFactor}), and ${mib(this.#outstandingBytes)} are promised to other volumes`,
    );
  }

  /** DISK_FULL when less than `bytes` could be written now without touching the reserve. */
  async needs(bytes: number, what: string): Promise<void> {
    const { freeBytes } = await this.space();
    if (freeBytes - this.#options.reserveBytes >= bytes) return;
    throw new PlatformError(
      "DISK_FULL",
      `${what} needs ${mib(bytes)}, but ${this.#options.directory} has ${mib(freeBytes)} free, of which ${mib(this.#options.reserveBytes)} must stay so`,
    );
  }

  async space(): Promise<DiskSpace> {
    const { bavail, blocks, bsize } = await statfs(this.#options.directory);
    return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
  }

  /** Promised and not yet written, bytes; looks at every volume. */
  async outstandingBytes(): Promise<number> {
    this.#lookedMs = this.#options.clock.monotonicMs();
    await Promise.all(
      [...this.#entries].map(async ([key, { path, sizeBytes, readOnly }]) => {
        const written = readOnly ? sizeBytes : await writtenBytes(path);
        if (this.#entries.has(key)) this.#setOutstanding(key, Math.max(0, sizeBytes - written));
      }),
    );
    return this.#outstandingBytes;
  }

  #setOutstanding(key: string, bytes: number): void {
    this.#outstandingBytes += bytes - (this.#outstanding.get(key) ?? 0);
    this.#outstanding.set(key, bytes);
  }

  #drop(key: string): void {
    this.#setOutstanding(key, 0);
    this.#outstanding.delete(key);
    this.#entries.delete(key);
  }

  #path(owner: string, volumeId: string): string {
    return join(
      this.#options.directory,
      `${encodeURIComponent(owner)}+${encodeURIComponent(volumeId)}`.replaceAll("..", "%2E%2E"),
    );
  }
}

function ledgerFailure(error: unknown): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (code === undefined || error instanceof PlatformError) return error;
  const full = code === "ENOSPC" || code === "EDQUOT";
  return new PlatformError(
    full ? "DISK_FULL" : "VOLUME_FAILED",
    `the volume ledger cannot be written: ${(error as Error).message}`,
    { cause: error },
  );
}

async function readEntry(path: string): Promise<LedgerEntry | undefined> {
  if (path.endsWith(".tmp")) return undefined;
  try {
    const parsed = entrySchema.safeParse(JSON.parse(await readFile(path, "utf8")));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}

async function there(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  );
}

async function writtenBytes(path: string): Promise<number> {
  try {
    return (await stat(path)).blocks * 512;
  } catch {
    return 0;
  }
}

function keyOf(owner: string, volumeId: string): string {
  return `${owner}\0${volumeId}`;
}

function mib(bytes: number): string {
  return `${Math.ceil(bytes / 1024 / 1024)} MiB`;
}
