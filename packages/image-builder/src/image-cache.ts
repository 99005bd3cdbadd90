/**
 * Built images, by the key of everything that went into them.
 *
 * Layout below the cache directory: `built/<key>/image.oci.tar` with `image.json`; `work/<pid>-<random>/` for builds that run; `resolutions/`.
 * Invariants: an entry appears whole, by one rename, or not at all; an entry is never changed; a work directory whose process is gone is removed
 * by the next build. Two builds of one key at a time both work, and the first to end wins.
 */
import { randomBytes } from "node:crypto";
import { access, mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { z } from "zod";

/** What the cache knows of a built image, besides its archive. */
export interface ImageRecord {
  readonly recipe: string;
  readonly references: string[];
  readonly digest: string;
  readonly sizeBytes: number;
  readonly labels: Record<string, string>;
  /** `name=version` of every package that was used. */
  readonly packages: string[];
}

const record: z.ZodType<ImageRecord> = z.strictObject({
  recipe: z.string(),
  references: z.array(z.string()).min(1),
  digest: z.string().regex(/^sha256:[0-9a-f]{64}$/),
  sizeBytes: z.number().int().positive(),
  labels: z.record(z.string(), z.string()),
  packages: z.array(z.string()),
});

export interface CachedImage extends ImageRecord {
  readonly archivePath: string;
}

/** `$XDG_CACHE_HOME/liquidmetal/images`, or below `~/.cache`. */
export function defaultCacheDirectory(environment: NodeJS.ProcessEnv = process.env): string {
  const configured = environment["XDG_CACHE_HOME"];
  // The XDG specification says to ignore relative paths.
  const base = configured?.startsWith("/") ? configured : join(homedir(), ".cache");
  return join(base, "liquidmetal/images");
}

const archiveName = "image.oci.tar";

export class ImageCache {
  readonly directory: string;

  constructor(directory: string) {
    this.directory = directory;
  }

  /** An image that is there, whole; a damaged entry is removed and counts as absent. */
  async find(key: string): Promise<CachedImage | undefined> {
    const directory = this.#entry(key);
    const archivePath = join(directory, archiveName);
    try {
      const parsed = record.parse(JSON.parse(await readFile(join(directory, "image.json"), "utf8")));
      if ((await stat(archivePath)).size === parsed.sizeBytes) return { ...parsed, archivePath };
    } catch {
      if (!(await exists(directory))) return undefined;
    }
    await rm(directory, { recursive: true, force: true });
    return undefined;
  }

  /** Runs `build` with an empty directory of its own, then keeps what it left at `archivePath` there as the image of `key`. */
  async keep(
    key: string,
    build: (workDirectory: string, archivePath: string) => Promise<ImageRecord>,
  ): Promise<CachedImage> {
    await this.#sweep();
    const workDirectory = join(this.directory, "work", `${process.pid}-${randomBytes(6).toString("hex")}`);
    const result = join(workDirectory, "result");
    await mkdir(result, { recursive: true, mode: 0o700 });
    try {
      const archivePath = join(result, archiveName);
      const made = await build(workDirectory, archivePath);
      await writeFile(join(result, "image.json"), JSON.stringify(made, undefined, 2));
      for (const name of [archiveName, "image.json", "."]) await sync(join(result, name));
      await mkdir(join(this.directory, "built"), { recursive: true });
      await this.#publish(result, key);
      return { ...made, archivePath: join(this.#entry(key), archiveName) };
    } finally {
      await rm(workDirectory, { recursive: true, force: true });
    }
  }

  async #publish(result: string, key: string): Promise<void> {
    try {
      await rename(result, this.#entry(key));
    } catch (error) {
      // Another build of the same key was faster: theirs is as good.
      if ((await this.find(key)) === undefined) throw error;
    }
  }

  async #sweep(): Promise<void> {
    const work = join(this.directory, "work");
    for (const name of await readdir(work).catch(() => [])) {
      const pid = Number(name.split("-")[0]);
      if (!isAlive(pid)) await rm(join(work, name), { recursive: true, force: true });
    }
  }

  #entry(key: string): string {
    return join(this.directory, "built", key);
  }
}

/** Only frees disk space, so a number that another process has by now does no harm: its turn comes later. */
function isAlive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

async function sync(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
