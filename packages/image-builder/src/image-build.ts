/**
 * From a recipe to an image archive: resolve, look into the cache, else fetch, unpack, assemble, pack.
 *
 * The cache key covers all that the image is made of: package versions, our own guest files, the recipe's and the builder's revisions, the time that
 * SOURCE_DATE_EPOCH demands. Without SOURCE_DATE_EPOCH an image is as old as the newest file of its packages. Same key, same bytes.
 */
import { createHash } from "node:crypto";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { PlatformError } from "@liquidmetal/foundation";
import { type ResolvedPackage, resolvePackages } from "./debian/resolution.ts";
import { fetchAndUnpack, newestFileSeconds, type UnpackedPackage } from "./debian/unpacking.ts";
import { defaultCacheDirectory, ImageCache, type ImageRecord } from "./image-cache.ts";
import { writeImageArchive } from "./oci/image-archive.ts";
import { writeLayer } from "./oci/layer.ts";
import { type OnProgress, type Reporter, reporter } from "./progress.ts";
import type { Architecture, AssembledImage, Recipe } from "./recipe.ts";
import { walk } from "./tree/host-files.ts";

export interface BuildOptions {
  /** Default: `$XDG_CACHE_HOME/liquidmetal/images`. */
  readonly cacheDir?: string;
  /** The project's folder `guest/`. Default: the one of this checkout. */
  readonly guestDirectory?: string;
  /** Seconds since 1970. Default: the environment's SOURCE_DATE_EPOCH, else the packages' own age. */
  readonly sourceDateEpoch?: number;
  readonly onProgress?: OnProgress;
  readonly signal?: AbortSignal;
}

export interface BuiltImage {
  /** A name of its own for this content, as in `liquidmetal.local/kernel/distro:6.1.192-2-0a1b2c3d`. */
  readonly reference: string;
  /** All its names in the archive: the one above, and `…:latest`. */
  readonly references: readonly string[];
  /** OCI image layout in a tar. */
  readonly archivePath: string;
  /** Of the manifest. */
  readonly digest: string;
  /** Of the archive. */
  readonly sizeBytes: number;
  readonly labels: Readonly<Record<string, string>>;
  /** Nothing was built: it was there. */
  readonly cached: boolean;
}

/** Raised when the writers of this room change what they write for the same tree. */
const builderRevision = 1;
const registry = "liquidmetal.local";

/** Errors: IMAGE_BUILD_FAILED, TOOL_MISSING, KERNEL_INVALID, CAPABILITY_MISSING (no such architecture), CANCELLED. */
export async function buildImage(recipe: Recipe, options: BuildOptions = {}): Promise<BuiltImage> {
  try {
    return await build(recipe, options);
  } catch (error) {
    if (options.signal?.aborted === true) {
      throw new PlatformError("CANCELLED", `the build of ${recipe.name} was cancelled`, { cause: error });
    }
    throw error;
  }
}

async function build(recipe: Recipe, options: BuildOptions): Promise<BuiltImage> {
  const { cacheDir = defaultCacheDirectory(), signal } = options;
  const report = reporter(recipe.name, options.onProgress);
  const architecture = hostArchitecture(recipe);
  report("resolve-packages");
  const resolved = await resolvePackages(recipe.packages, {
    cacheDirectory: cacheDir,
    architecture,
    ...(signal && { signal }),
  });
  const packages = resolved.filter(({ name }) => recipe.needs(name));
  const key = await cacheKey(recipe, packages, architecture, options);
  const cache = new ImageCache(cacheDir);
  const known = await cache.find(key);
  const image =
    known ??
    (await cache.keep(key, (work, archive) =>
      make({ recipe, packages, architecture, key, work, archive, options, report }),
    ));
  report("done");
  const [reference = ""] = image.references;
  const { references, archivePath, digest, sizeBytes, labels } = image;
  return { reference, references, archivePath, digest, sizeBytes, labels, cached: known !== undefined };
}

interface Making {
  readonly recipe: Recipe;
  readonly packages: readonly ResolvedPackage[];
  readonly architecture: Architecture;
  readonly key: string;
  readonly work: string;
  readonly archive: string;
  readonly options: BuildOptions;
  readonly report: Reporter;
}

async function make(making: Making): Promise<ImageRecord> {
  const { recipe, packages, architecture, work, archive, options, report } = making;
  const cancel = options.signal === undefined ? {} : { signal: options.signal };
  const total = packages.length;
  report("download-packages", 0, total);
  const unpacked = await fetchAndUnpack(packages, {
    workDirectory: work,
    cacheDirectory: options.cacheDir ?? defaultCacheDirectory(),
    architecture,
    report: (text, progress) =>
      report(text.startsWith("unpacking") ? "unpack-packages" : "download-packages", progress?.done ?? 0, total),
    ...cancel,
  });
  const epochSeconds = sourceDateEpoch(options) ?? (await newestFileSeconds(unpacked));
  report("assemble");
  const guestDirectory = guestFiles(options);
  const assembled = await recipe.assemble({
    packages: unpacked,
    guestDirectory,
    architecture,
    epochSeconds,
    ...cancel,
  });
  await addCopyrights(assembled, unpacked);
  const entries = assembled.tree.size;
  let packed = 0;
  await mkdir(join(work, "layers"));
  const onEntry = (): void => report("pack-layer", ++packed, entries);
  const layer = await writeLayer(assembled.tree, join(work, "layers/0"), { epochSeconds, onEntry, ...cancel });
  report("write-archive");
  const described = description(making, assembled, epochSeconds);
  const written = await writeImageArchive(archive, [layer], described, cancel);
  return {
    recipe: recipe.name,
    references: [...described.references],
    ...written,
    labels: described.labels,
    packages: packages.map(({ name, version }) => `${name}=${version}`),
  };
}

function description(
  making: Making,
  assembled: AssembledImage,
  epochSeconds: number,
): Parameters<typeof writeImageArchive>[2] {
  const { recipe, architecture, key } = making;
  // What a tag may not have (`+`, `~`, `:`) becomes `-`.
  const version = `${assembled.version.replace(/[^A-Za-z0-9_.-]/g, "-")}-${key.slice(0, 8)}`;
  const { command, environment } = assembled;
  return {
    references: [version, "latest"].map((tag) => `${registry}/${recipe.name}:${tag}`),
    architecture,
    epochSeconds,
    labels: {
      ...assembled.labels,
      "org.opencontainers.image.created": new Date(epochSeconds * 1000).toISOString().replace(".000Z", "Z"),
      "org.opencontainers.image.title": recipe.title,
      "org.opencontainers.image.version": version,
      "dev.liquidmetal.recipe": recipe.name,
    },
    history: [`liquidmetal ${recipe.name}`],
    ...(command && { command }),
    ...(environment && { environment }),
  };
}

/** The licences of what was packed travel with it. */
async function addCopyrights({ tree }: AssembledImage, packages: readonly UnpackedPackage[]): Promise<void> {
  for (const { name, directory } of packages) {
    const path = `usr/share/doc/${name}/copyright`;
    const text = await readFile(join(directory, path)).catch(() => undefined);
    if (text !== undefined) tree.file(path, { bytes: text });
  }
}

async function cacheKey(
  recipe: Recipe,
  packages: readonly ResolvedPackage[],
  architecture: Architecture,
  options: BuildOptions,
): Promise<string> {
  const hash = createHash("sha256");
  const { name, revision, settings } = recipe;
  const epoch = sourceDateEpoch(options);
  hash.update(JSON.stringify({ builderRevision, name, revision, settings, architecture, packages, epoch }));
  for (const folder of recipe.guestFiles) {
    for await (const { path, hostPath, stats } of walk(join(guestFiles(options), folder))) {
      if (stats.isFile()) hash.update(`\0${folder}/${path}\0${stats.size}\0`).update(await readFile(hostPath));
    }
  }
  return hash.digest("hex");
}

/** This checkout's (or release's) folder beside `packages/`. */
const guestFiles = (options: BuildOptions): string =>
  options.guestDirectory ?? join(import.meta.dirname, "../../../guest");

function sourceDateEpoch(options: BuildOptions): number | undefined {
  if (options.sourceDateEpoch !== undefined) return options.sourceDateEpoch;
  const text = process.env["SOURCE_DATE_EPOCH"];
  if (text === undefined || text === "") return undefined;
  if (!/^\d{1,11}$/.test(text))
    throw new PlatformError("IMAGE_BUILD_FAILED", "SOURCE_DATE_EPOCH is not a number of seconds");
  return Number(text);
}

function hostArchitecture(recipe: Recipe): Architecture {
  const architecture = process.arch === "x64" ? "amd64" : process.arch;
  const known = recipe.architectures.find((one) => one === architecture);
  if (known !== undefined) return known;
  throw new PlatformError("CAPABILITY_MISSING", `the recipe ${recipe.name} is not for ${architecture}`);
}
