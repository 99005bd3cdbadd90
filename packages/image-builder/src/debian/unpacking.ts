/**
 * Downloads packages by apt, which verifies them against the signed lists, and unpacks them. Maintainer scripts are never run.
 *
 * Each package gets a directory of its own, so that no package's links lead another's files astray.
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { PlatformError } from "@liquidmetal/foundation";
import { runTool } from "../system-tool.ts";
import { type HostEntry, walk } from "../tree/host-files.ts";
import type { ArchiveOptions } from "./apt-archive.ts";
import { downloadPackages } from "./deb-store.ts";
import type { ResolvedPackage } from "./resolution.ts";

export interface UnpackedPackage extends ResolvedPackage {
  /** Its files as they lie in the package: `lib/…` and `usr/lib/…` are two directories here. */
  readonly directory: string;
}

/** Those that the packages were resolved with. */
export interface UnpackOptions extends ArchiveOptions {
  /** An existing directory that is ours alone. */
  readonly workDirectory: string;
}

export async function fetchAndUnpack(
  packages: readonly ResolvedPackage[],
  options: UnpackOptions,
): Promise<readonly UnpackedPackage[]> {
  const { workDirectory, report, signal } = options;
  const files = await downloadPackages(packages, options);
  const unpacked: UnpackedPackage[] = [];
  for (const [index, entry] of packages.entries()) {
    const directory = join(workDirectory, "packages", entry.name);
    await mkdir(directory, { recursive: true });
    const archive = files.get(entry.sha256) ?? "";
    await runTool("dpkg-deb", ["-x", archive, directory], { ...(signal && { signal }) });
    report?.("unpacking packages", { done: index + 1, total: packages.length });
    unpacked.push({ ...entry, directory });
  }
  return unpacked;
}

/** The first file whose path in one of the packages matches. */
export async function findFile(packages: readonly UnpackedPackage[], path: RegExp): Promise<HostEntry> {
  for (const { directory } of packages) {
    for await (const entry of walk(directory)) if (path.test(entry.path) && !entry.stats.isSymbolicLink()) return entry;
  }
  throw new PlatformError("IMAGE_BUILD_FAILED", `none of the packages has a file like ${path.source}`);
}
