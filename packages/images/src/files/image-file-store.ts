/**
 * Kernels and initrds out of images, kept by the image's digest: `<cache>/<digest>/<file>-<hash of its path>`.
 *
 * A file appears under its name only whole and synced. Paths are confined to the image. VMMs run as users of their own, so files are readable to those who know
 * their name.
 */
import { createHash } from "node:crypto";
import { chmod, mkdir, mkdtemp, open, readdir, rename, rm, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { attempt, PlatformError, type Result, unwrap } from "@liquidmetal/foundation";
import type { FileStore, ImageCallOptions, ImageStore, MadeFile, ResolvedImage, Spawner } from "@liquidmetal/microvm";
import { SingleFlight } from "../single-flight.ts";
import { resolveInside } from "./confined-path.ts";
import { openTree, type TreeReader } from "./tree-reader.ts";

export interface ImageFileStoreOptions {
  readonly directory: string;
  readonly images: Pick<ImageStore, "withTree">;
  readonly spawner: Spawner;
  /** No file is larger, bytes. Default 2 GiB. */
  readonly fileMaxBytes?: number;
}

/** Where kernels lie in other people's images; named when the file asked for is not there. */
const likelyDirectories = ["", "boot"];

export class ImageFileStore implements FileStore {
  readonly #options: ImageFileStoreOptions;
  readonly #fetches: SingleFlight<string> = new SingleFlight();

  private constructor(options: ImageFileStoreOptions) {
    this.#options = options;
  }

  /** Opens the cache and removes what a crash left half-made. */
  static async open(options: ImageFileStoreOptions): Promise<ImageFileStore> {
    await mkdir(options.directory, { recursive: true });
    await chmod(options.directory, 0o711);
    const store = new ImageFileStore(options);
    await rm(store.#temporary, { recursive: true, force: true });
    await mkdir(store.#temporary, { mode: 0o700 });
    return store;
  }

  fetch(
    image: ResolvedImage,
    filename: string,
    options: ImageCallOptions = {},
  ): Promise<Result<MadeFile, PlatformError>> {
    return attempt(async () => {
      const path = this.#pathOf(image, filename);
      const there = await stat(path).catch(() => undefined);
      if (there === undefined)
        await this.#fetches.run(path, (signal) => this.#copy(image, filename, path, signal), options.signal);
      return { path, imageDigest: image.digest };
    });
  }

  prune(inUse: (imageDigest: string) => boolean): Promise<Result<void, PlatformError>> {
    return attempt(async () => {
      for (const name of await readdir(this.#options.directory)) {
        const digest = /^sha256-[0-9a-f]{64}$/.test(name) ? name.replace("-", ":") : undefined;
        if (digest === undefined || inUse(digest)) continue;
        const doomed = join(this.#temporary, `gone-${process.hrtime.bigint()}`);
        await rename(join(this.#options.directory, name), doomed);
        await rm(doomed, { recursive: true, force: true });
      }
    });
  }

  get #temporary(): string {
    return join(this.#options.directory, "tmp");
  }

  #pathOf(image: ResolvedImage, filename: string): string {
    const base =
      basename(filename)
        .replaceAll(/[^A-Za-z0-9._-]/g, "_")
        .slice(0, 100)
        .replace(/^\.+/, "") || "file";
    const hash = createHash("sha256").update(filename).digest("hex").slice(0, 12);
    return join(this.#options.directory, image.digest.replace(":", "-"), `${hash}-${base}`);
  }

  async #copy(image: ResolvedImage, filename: string, path: string, signal: AbortSignal): Promise<string> {
    if (filename.includes("\0") || filename.length > 4096)
      throw new PlatformError("SPEC_INVALID", "this is not a file name");
    const { images, spawner } = this.#options;
    const work = await mkdtemp(join(this.#temporary, "fetch-"));
    try {
      const mountPoint = join(work, "tree");
      await mkdir(mountPoint);
      const copied = await images.withTree(
        image,
        async (tree) => {
          const reader = await openTree({ spawner, tree, mountPoint, signal });
          const file = join(work, "file");
          await reader.copy(await this.#locate(reader, image, filename), file);
          return file;
        },
        { signal },
      );
      await this.#publish(unwrap(copied), path);
      return path;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOSPC") {
        throw new PlatformError("DISK_FULL", `no room for ${filename} of ${image.reference}`, { cause: error });
      }
      throw error;
    } finally {
      await rm(work, { recursive: true, force: true });
    }
  }

  async #publish(file: string, path: string): Promise<void> {
    const handle = await open(file, "r");
    try {
      await handle.chmod(0o444);
      await handle.sync();
    } finally {
      await handle.close();
    }
    const directory = join(path, "..");
    await mkdir(directory, { recursive: true });
    await chmod(directory, 0o711);
    await rename(file, path);
    const parent = await open(directory, "r");
    await parent.sync().finally(() => parent.close());
  }

  async #locate(reader: TreeReader, image: ResolvedImage, filename: string): Promise<string> {
    let missing = false;
    const resolved = await resolveInside(filename, async (path) => {
      const entry = await reader.look(path);
      if (entry === undefined) missing = true;
      return entry?.kind === "link" ? entry.target : undefined;
    });
    const entry = missing || resolved === undefined || resolved === "" ? undefined : await reader.look(resolved);
    if (entry?.kind !== "file" || resolved === undefined) {
      const found = await candidates(reader);
      const hint = found.length === 0 ? "" : `; it has ${found.join(", ")}`;
      const what = entry === undefined ? "has no file" : "has something that is not a file at";
      throw new PlatformError("IMAGE_FILE_MISSING", `${image.reference} ${what} '${filename.slice(0, 200)}'${hint}`);
    }
    const { fileMaxBytes = 2 * 1024 ** 3 } = this.#options;
    if (entry.sizeBytes > fileMaxBytes) {
      throw new PlatformError(
        "KERNEL_INVALID",
        `'${filename}' of ${image.reference} has ${entry.sizeBytes} bytes; at most ${fileMaxBytes} are taken`,
      );
    }
    return resolved;
  }
}

async function candidates(reader: TreeReader): Promise<readonly string[]> {
  const found: string[] = [];
  for (const directory of likelyDirectories) {
    const names = (await reader.files(directory)).toSorted();
    found.push(...names.map((name) => (directory === "" ? name : `${directory}/${name}`)));
  }
  return found.slice(0, 12);
}
