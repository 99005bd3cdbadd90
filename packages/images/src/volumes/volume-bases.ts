/**
 * Bases: file systems built out of images, once per image and size, shared by every volume of that image.
 *
 * A base is a directory `<key>` with `<bytes>.raw` (the file system), `<bytes>.qcow2` (an empty overlay of it, copied for each volume) and `images/<digest>` (the images
 * whose tree it is). Everything is made under `tmp`, synced, and renamed: a base that has its name is whole and is never changed. What is found in `tmp` at start is
 * rubbish of a crash and removed.
 */
import { createHash } from "node:crypto";
import { chmod, mkdir, mkdtemp, open, readdir, rename, rm, stat, truncate, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { PlatformError, unwrap } from "@liquidmetal/foundation";
import type { ImageStore, ResolvedImage, Spawner } from "@liquidmetal/microvm";
import { SingleFlight } from "../single-flight.ts";
import type { DiskLedger } from "./disk-ledger.ts";
import { defaultBytes, growExt4, leastBytes, makeExt4, measureTree, type TreeSize, toolFailed } from "./ext4.ts";

export interface Base {
  readonly key: string;
  readonly rawPath: string;
  readonly sizeBytes: number;
}

export interface VolumeBasesOptions {
  readonly directory: string;
  readonly images: Pick<ImageStore, "withTree">;
  readonly spawner: Spawner;
  readonly ledger: DiskLedger;
}

/** Part of the key: raised when bases are built in another way. */
const recipe = "ext4-1";

export class VolumeBases {
  readonly #options: VolumeBasesOptions;
  readonly #builds: SingleFlight<Base> = new SingleFlight();
  readonly #overlays: SingleFlight<string> = new SingleFlight();

  private constructor(options: VolumeBasesOptions) {
    this.#options = options;
  }

  static async open(options: VolumeBasesOptions): Promise<VolumeBases> {
    const bases = new VolumeBases(options);
    await mkdir(options.directory, { recursive: true });
    // VMMs run as users of their own: they may pass through, and see nothing they do not know by name.
    await chmod(options.directory, 0o711);
    await rm(bases.#temporary, { recursive: true, force: true });
    await mkdir(bases.#temporary, { mode: 0o700 });
    return bases;
  }

  get #temporary(): string {
    return join(this.#options.directory, "tmp");
  }

  static keyOf(image: ResolvedImage): string {
    return createHash("sha256").update(`${recipe} ${image.chainId}`).digest("hex").slice(0, 32);
  }

  /** The base of an image, of this size or of the default one. Callers at the same time share one build. */
  async base(image: ResolvedImage, sizeBytes: number | undefined, signal?: AbortSignal): Promise<Base> {
    const key = VolumeBases.keyOf(image);
    const wanted = sizeBytes === undefined ? undefined : Math.ceil(sizeBytes / 4096) * 4096;
    const base = await this.#builds.run(
      `${key} ${wanted ?? ""}`,
      (flight) => this.#find(key, image, wanted, flight),
      signal,
    );
    await this.#note(key, image.digest);
    return base;
  }

  /** An empty qcow2 overlay of a base, to be copied. */
  async overlay(base: Base, signal?: AbortSignal): Promise<string> {
    const path = base.rawPath.replace(/\.raw$/, ".qcow2");
    if (await exists(path)) return path;
    return await this.#overlays.run(path, (flight) => this.#makeOverlay(base, path, flight), signal);
  }

  /** Removes bases that nothing needs, least recently used first, until those that are left take at most `idleBytes`. */
  async prune(needed: (key: string, imageDigests: readonly string[]) => boolean, idleBytes: number): Promise<void> {
    const { directory } = this.#options;
    const idle: { key: string; digests: readonly string[]; usedAtMs: number; bytes: number }[] = [];
    for (const key of await readdir(directory)) {
      if (!/^[0-9a-f]{32}$/.test(key)) continue;
      const path = join(directory, key);
      const digests = (await readdir(join(path, "images")).catch(() => [])).map((hex) => `sha256:${hex}`);
      if (needed(key, digests)) continue;
      const usedAtMs = (await stat(join(path, "images")).catch(() => undefined))?.mtimeMs ?? 0;
      const files = await Promise.all((await readdir(path)).map((name) => stat(join(path, name))));
      idle.push({ key, digests, usedAtMs, bytes: files.reduce((sum, file) => sum + file.blocks * 512, 0) });
    }
    idle.sort((a, b) => a.usedAtMs - b.usedAtMs);
    let left = idle.reduce((sum, base) => sum + base.bytes, 0);
    for (const { key, digests, bytes } of idle) {
      if (left <= idleBytes) return;
      if (needed(key, digests)) continue;
      // Renamed first: whatever happens, it is either whole or rubbish.
      const doomed = join(this.#temporary, `gone-${key}-${process.hrtime.bigint()}`);
      await rename(join(directory, key), doomed);
      await rm(doomed, { recursive: true, force: true });
      left -= bytes;
    }
  }

  async #find(key: string, image: ResolvedImage, sizeBytes: number | undefined, signal: AbortSignal): Promise<Base> {
    const directory = join(this.#options.directory, key);
    const size = sizeBytes ?? (await readDefault(directory));
    const path = join(directory, `${size}.raw`);
    if (size !== undefined && (await exists(path))) return { key, rawPath: path, sizeBytes: size };
    const temporary = await mkdtemp(join(this.#temporary, "build-"));
    try {
      return await this.#build({ key, image, directory, temporary, sizeBytes }, signal);
    } finally {
      await rm(temporary, { recursive: true, force: true });
    }
  }

  async #build(
    job: { key: string; image: ResolvedImage; directory: string; temporary: string; sizeBytes: number | undefined },
    signal: AbortSignal,
  ): Promise<Base> {
    const { key, image, directory, temporary, sizeBytes } = job;
    const known = await readDefault(directory);
    const rawPath = join(temporary, "volume.raw");
    let size = sizeBytes;
    if (known !== undefined && sizeBytes !== undefined && sizeBytes > known) {
      await this.#grow(join(directory, `${known}.raw`), rawPath, sizeBytes, signal);
    } else {
      size = await this.#format(job, rawPath, signal);
    }
    if (size === undefined) throw new PlatformError("INTERNAL", "a base without a size");
    await chmod(rawPath, 0o444);
    await sync(rawPath);
    await mkdir(join(directory, "images"), { recursive: true });
    await chmod(directory, 0o711);
    const path = join(directory, `${size}.raw`);
    await rename(rawPath, path);
    if (sizeBytes === undefined) await writeFile(join(directory, "default"), String(size));
    await sync(directory);
    await this.#note(key, image.digest);
    return { key, rawPath: path, sizeBytes: size };
  }

  /** Builds from the tree. Returns the size. */
  async #format(
    job: { key: string; image: ResolvedImage; temporary: string; sizeBytes: number | undefined },
    path: string,
    signal: AbortSignal,
  ): Promise<number> {
    const { spawner, images, ledger } = this.#options;
    const mountPoint = join(job.temporary, "tree");
    await mkdir(mountPoint);
    const built = await images.withTree(
      job.image,
      async (tree) => {
        const source = { tree, mountPoint, signal };
        const treeSize = await measureTree(spawner, source);
        const size = job.sizeBytes ?? defaultBytes(treeSize);
        refuseTooSmall(job.image, treeSize, size);
        await ledger.needs(leastBytes(treeSize), `the volume of ${job.image.reference}`);
        await makeExt4(spawner, { ...source, path, sizeBytes: size, key: `${job.key} ${size}`, treeSize });
        return size;
      },
      { signal },
    );
    return unwrap(built);
  }

  /** A larger base out of the default one: cheaper than building again. */
  async #grow(from: string, to: string, sizeBytes: number, signal: AbortSignal): Promise<void> {
    const { spawner, ledger } = this.#options;
    await ledger.needs((await stat(from)).blocks * 512, "a larger volume");
    await copySparse(spawner, from, to, signal);
    await chmod(to, 0o600);
    await truncate(to, sizeBytes);
    await growExt4(spawner, to, signal);
  }

  async #makeOverlay(base: Base, path: string, signal: AbortSignal): Promise<string> {
    const temporary = await mkdtemp(join(this.#temporary, "overlay-"));
    try {
      const file = join(temporary, "overlay.qcow2");
      const args = ["create", "-q", "-f", "qcow2", "-o", "lazy_refcounts=on", "-b", base.rawPath, "-F", "raw", file];
      const result = unwrap(await this.#options.spawner.run({ program: "qemu-img", args, timeoutMs: 60_000, signal }));
      if (result.code !== 0) throw toolFailed("qemu-img", result);
      await sync(file);
      await rename(file, path);
      return path;
    } finally {
      await rm(temporary, { recursive: true, force: true });
    }
  }

  /** Remembers for which image a base is, and that it was used now. */
  async #note(key: string, imageDigest: string): Promise<void> {
    const images = join(this.#options.directory, key, "images");
    const now = new Date();
    await mkdir(images, { recursive: true });
    await writeFile(join(images, imageDigest.replace(/^sha256:/, "").replace(/[^0-9a-zA-Z]/g, "_")), "", { flag: "a" });
    await utimes(images, now, now);
  }
}

/** A copy that shares blocks where the file system can, and keeps holes where it cannot. */
export async function copySparse(spawner: Spawner, from: string, to: string, signal?: AbortSignal): Promise<void> {
  const call = { timeoutMs: 600_000, ...(signal === undefined ? {} : { signal }) };
  const result = unwrap(
    await spawner.run({ ...call, program: "cp", args: ["--reflink=auto", "--sparse=always", "--", from, to] }),
  );
  if (result.code !== 0) throw toolFailed("cp", result);
}

function refuseTooSmall(image: ResolvedImage, tree: TreeSize, sizeBytes: number): void {
  const least = leastBytes(tree);
  if (sizeBytes >= least) return;
  const mib = (bytes: number): string => `${Math.ceil(bytes / 1024 / 1024)} MiB`;
  throw new PlatformError(
    "VOLUME_FAILED",
    `a volume of ${mib(sizeBytes)} is too small for ${image.reference}: its ${tree.inodes} files take ${mib(tree.dataBytes)}, with the file system at least ${mib(least)}`,
    { retry: "after-change", remedy: "ask for a larger volume, or for no size at all" },
  );
}

async function readDefault(directory: string): Promise<number | undefined> {
  try {
    const handle = await open(join(directory, "default"));
    try {
      const size = Number((await handle.readFile("utf8")).trim());
      return Number.isSafeInteger(size) && size > 0 ? size : undefined;
    } finally {
      await handle.close();
    }
  } catch {
    return undefined;
  }
}

async function sync(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  );
}
