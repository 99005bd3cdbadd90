/**
 * Downloads packages by apt, which verifies them against the signed lists, and unpacks them. Maintainer scripts are never run.
 *
 * Each package gets a directory of its own, so that no package's links lead another's files astray. The download runs as apt's own user where
 * there is one, in a directory that belongs to it.
 */
import { chown, mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PlatformError } from "@liquidmetal/foundation";
import { runTool } from "../system-tool.ts";
import { type HostEntry, walk } from "../tree/host-files.ts";
import type { ResolvedPackage } from "./resolution.ts";

export interface UnpackedPackage extends ResolvedPackage {
  /** Its files as they lie in the package: `lib/…` and `usr/lib/…` are two directories here. */
  readonly directory: string;
}

export interface UnpackOptions {
  /** An existing directory that is ours alone. */
  readonly workDirectory: string;
  readonly onDownloaded?: (done: number, detail: string) => void;
  readonly onUnpacked?: (done: number, detail: string) => void;
  readonly signal?: AbortSignal;
}

export async function fetchAndUnpack(
  packages: readonly ResolvedPackage[],
  options: UnpackOptions,
): Promise<readonly UnpackedPackage[]> {
  const downloads = await mkdtemp(join(tmpdir(), `liquidmetal-${process.pid}-packages-`));
  try {
    await giveToApt(downloads);
    await download(packages, downloads, options);
    return await unpack(packages, downloads, options);
  } finally {
    await rm(downloads, { recursive: true, force: true });
  }
}

async function download(packages: readonly ResolvedPackage[], cwd: string, options: UnpackOptions): Promise<void> {
  let done = 0;
  const onLine = (line: string): void => {
    if (line.startsWith("Get:")) options.onDownloaded?.(++done, line.split(" ")[4] ?? "");
  };
  const wanted = packages.map(({ name, version }) => `${name}=${version}`);
  await runTool("apt-get", ["download", "-q", ...wanted], {
    cwd,
    onLine,
    ...(options.signal && { signal: options.signal }),
  });
}

async function unpack(
  packages: readonly ResolvedPackage[],
  downloads: string,
  options: UnpackOptions,
): Promise<readonly UnpackedPackage[]> {
  const files = await readdir(downloads);
  const unpacked: UnpackedPackage[] = [];
  for (const [index, entry] of packages.entries()) {
    const file = files.find((name) => name.startsWith(`${entry.name}_`) && name.endsWith(".deb"));
    if (file === undefined) throw new PlatformError("IMAGE_BUILD_FAILED", `apt did not download ${entry.name}`);
    const directory = join(options.workDirectory, "packages", entry.name);
    await mkdir(directory, { recursive: true });
    await runTool(
      "dpkg-deb",
      ["-x", join(downloads, file), directory],
      options.signal ? { signal: options.signal } : {},
    );
    options.onUnpacked?.(index + 1, entry.name);
    unpacked.push({ ...entry, directory });
  }
  return unpacked;
}

/** Without this, root's apt downloads as root and says so. */
async function giveToApt(directory: string): Promise<void> {
  if (process.getuid?.() !== 0) return;
  const accounts = await readFile("/etc/passwd", "utf8");
  const uid = /^_apt:[^:]*:(\d+):/m.exec(accounts)?.[1];
  if (uid !== undefined) await chown(directory, Number(uid), 0);
}

/** The one package whose name matches; the recipe named it, so its absence is a defect of the recipe. */
export function packageNamed(packages: readonly UnpackedPackage[], name: string | RegExp): UnpackedPackage {
  const found = packages.find((entry) => (typeof name === "string" ? entry.name === name : name.test(entry.name)));
  if (found === undefined)
    throw new PlatformError("IMAGE_BUILD_FAILED", `no package ${String(name)} among those unpacked`);
  return found;
}

/** The first file whose path in one of the packages matches. */
export async function findFile(packages: readonly UnpackedPackage[], path: RegExp): Promise<HostEntry> {
  for (const { directory } of packages) {
    for await (const entry of walk(directory)) if (path.test(entry.path) && !entry.stats.isSymbolicLink()) return entry;
  }
  throw new PlatformError("IMAGE_BUILD_FAILED", `none of the packages has a file like ${path.source}`);
}

/** When the newest file of the packages was made, in seconds since 1970: a date for what is built from them that anybody else gets too. */
export async function newestFileSeconds(packages: readonly UnpackedPackage[]): Promise<number> {
  let newest = 0;
  for (const { directory } of packages) {
    for await (const { stats } of walk(directory)) {
      if (stats.isFile()) newest = Math.max(newest, Math.floor(stats.mtimeMs / 1000));
    }
  }
  return newest;
}
