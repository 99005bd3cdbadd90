/**
 * Packages on disk by their digest: `debian/packages/<sha256>.deb` in the builder's cache.
 *
 * Invariants: a package is only handed out after its bytes were hashed and found to be what the signed lists say, each time; one that is not is
 * removed and fetched again. Files appear whole, by a rename. The store is bounded: the longest unused go first.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { copyFile, mkdir, mkdtemp, readdir, rm, stat, utimes } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PlatformError } from "@liquidmetal/foundation";
import { tryTool } from "../system-tool.ts";
import { type ArchiveOptions, giveToApt, openArchive } from "./apt-archive.ts";
import { aptFailure } from "./apt-failure.ts";
import type { ResolvedPackage } from "./resolution.ts";
import { writeBeside } from "./whole-file.ts";

/** Files by the package's digest (`sha256` of ResolvedPackage). */
export type PackageFiles = ReadonlyMap<string, string>;

/** What is kept besides the packages in use. */
const storeMaxBytes = 4 * 1024 ** 3;
const downloadTimeoutMs = 30 * 60_000;

/** Where the packages of a cache lie. */
export const debDirectory = (cacheDirectory: string): string => join(cacheDirectory, "debian/packages");

/**
 * The packages' files, downloaded where they are not there yet. `options` are those that the packages were resolved with.
 *
 * Errors: IMAGE_INPUT_MISMATCH (not what the lists say), IMAGE_BUILD_FAILED (network), DISK_FULL, CANCELLED.
 */
export async function downloadPackages(
  packages: readonly ResolvedPackage[],
  options: ArchiveOptions,
): Promise<PackageFiles> {
  const directory = debDirectory(options.cacheDirectory);
  await mkdir(directory, { recursive: true });
  const files = new Map(packages.map(({ sha256 }) => [sha256, join(directory, `${sha256}.deb`)]));
  const missing: ResolvedPackage[] = [];
  for (const one of packages) {
    options.signal?.throwIfAborted();
    if (!(await isWhole(files.get(one.sha256) ?? "", one, options))) missing.push(one);
  }
  if (missing.length > 0) await download(missing, files, options);
  await prune(directory, new Set(files.values()));
  return files;
}

async function isWhole(file: string, { name, sha256 }: ResolvedPackage, { report }: ArchiveOptions): Promise<boolean> {
  if ((await stat(file).catch(() => undefined)) === undefined) return false;
  if ((await digestOf(file)) === sha256) {
    await utimes(file, new Date(), new Date()).catch(() => {});
    return true;
  }
  report?.(`the kept copy of ${name} was damaged: fetching it again`);
  await rm(file, { force: true });
  return false;
}

async function download(
  packages: readonly ResolvedPackage[],
  files: PackageFiles,
  options: ArchiveOptions,
): Promise<void> {
  const { flags } = await openArchive(options);
  const total = packages.length;
  let done = 0;
  const onLine = (line: string): void => {
    if (line.startsWith("Get:")) options.report?.("downloading packages", { done: ++done, total });
  };
  const work = await mkdtemp(join(tmpdir(), `liquidmetal-${process.pid}-packages-`));
  try {
    await giveToApt(work);
    options.report?.("downloading packages", { done, total });
    const wanted = packages.map(
      ({ name, version, architecture }) =>
        `${name}:${architecture === "all" ? options.architecture : architecture}=${version}`,
    );
    const result = await tryTool("apt-get", ["download", "-q", "-o", "Acquire::Retries=2", ...flags, ...wanted], {
      cwd: work,
      onLine,
      timeoutMs: downloadTimeoutMs,
      ...(options.signal && { signal: options.signal }),
    });
    if (result.exitCode !== 0) throw aptFailure(`${total} packages`, result.stderr);
    await keep(packages, work, files);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Takes over what was downloaded, known by content alone. */
async function keep(packages: readonly ResolvedPackage[], from: string, files: PackageFiles): Promise<void> {
  const found = new Map<string, string>();
  for (const name of await readdir(from)) {
    if (name.endsWith(".deb")) found.set(await digestOf(join(from, name)), join(from, name));
  }
  for (const { name, version, sha256 } of packages) {
    const file = found.get(sha256);
    const target = files.get(sha256);
    if (file === undefined || target === undefined) {
      throw new PlatformError(
        "IMAGE_INPUT_MISMATCH",
        `the package ${name} ${version} is not what the signed lists say: ${sha256}`,
      );
    }
    await writeBeside(target, (staged) => copyFile(file, staged)).catch((error: unknown) =>
      Promise.reject(storeFailure(error, name)),
    );
  }
}

function storeFailure(error: unknown, name: string): PlatformError {
  const full = error instanceof Error && "code" in error && error.code === "ENOSPC";
  return new PlatformError(full ? "DISK_FULL" : "IMAGE_BUILD_FAILED", `cannot keep the package ${name}`, {
    cause: error,
  });
}

async function digestOf(file: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(file, { highWaterMark: 1024 * 1024 })) hash.update(chunk);
  return hash.digest("hex");
}

async function prune(directory: string, inUse: ReadonlySet<string>): Promise<void> {
  const kept: { readonly file: string; readonly size: number; readonly usedMs: number }[] = [];
  for (const name of await readdir(directory)) {
    const file = join(directory, name);
    const stats = await stat(file).catch(() => undefined);
    if (stats !== undefined && !inUse.has(file)) kept.push({ file, size: stats.size, usedMs: stats.mtimeMs });
  }
  kept.sort((a, b) => b.usedMs - a.usedMs);
  let sum = 0;
  for (const { file, size } of kept) {
    sum += size;
    if (sum > storeMaxBytes) await rm(file, { force: true });
  }
}
