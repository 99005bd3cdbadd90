/**
 * The step `packages`: chosen files out of Debian packages. No package manager in the image, no maintainer script ever run.
 *
 * Everything belongs to root, with the mode and time that it has in its package.
 */

import { lstat, open, readFile, readlink } from "node:fs/promises";
import { basename, dirname, join, relative } from "node:path";
import { PlatformError } from "@liquidmetal/foundation";
import { busyboxApplets } from "../../debian/busybox-applets.ts";
import { packageSoftware } from "../../debian/control-stanzas.ts";
import { chooseFiles, globExpression, type PackageFile, packageFiles, usrMerged } from "../../debian/package-files.ts";
import { packageInputs, type ResolvedPackage, resolvePackages } from "../../debian/resolution.ts";
import { sharedLibrariesOf } from "../../debian/shared-libraries.ts";
import { archiveOptions } from "../../debian/step-archive.ts";
import { fetchAndUnpack, type UnpackedPackage } from "../../debian/unpacking.ts";
import { isElf } from "../../elf-file.ts";
import { installedLicense } from "../../supply-chain/installed-license.ts";
import { FileTree } from "../../tree/file-tree.ts";
import type { MadeLayer, MakeContext, Resolution, StepContext, StepKind } from "../step-kind.ts";
import { type AppletLinks, type PackagesFields, packagesFields } from "./fields.ts";

export const packages: StepKind<PackagesFields> = {
  name: "packages",
  summary: "Takes chosen files out of Debian packages, without running their maintainer scripts.",
  revision: 1,
  fields: packagesFields,
  async resolve(fields, context): Promise<Resolution> {
    return { inputs: packageInputs(await wanted(fields, context)), dependsOnBelow: false };
  },
  make,
};

async function wanted(fields: PackagesFields, context: StepContext): Promise<readonly ResolvedPackage[]> {
  const resolved = await resolvePackages(fields.anyOf, archiveOptions(fields, context));
  if (fields.only === undefined) return resolved;
  const patterns = fields.only.map(globExpression);
  return resolved.filter(({ name }) => patterns.some((pattern) => pattern.test(name)));
}

async function make(fields: PackagesFields, _resolution: Resolution, context: MakeContext): Promise<MadeLayer> {
  const { workDirectory, signal } = context;
  const resolved = await wanted(fields, context);
  const unpacked = await fetchAndUnpack(resolved, { ...archiveOptions(fields, context), workDirectory });
  const layer = new PackagesLayer(await packageFiles(unpacked, signal), unpacked);
  for (const [pattern, destination] of Object.entries(fields.files)) {
    for (const { file, destination: path } of chooseFiles(layer.files, pattern, destination)) {
      signal.throwIfAborted();
      await layer.add(path, file);
    }
  }
  if (fields.libraries === true) await layer.addLibraries();
  if (fields.applets !== undefined) await layer.addApplets(fields.applets);
  if (fields.copyrights !== false) await layer.addCopyrights();
  return {
    tree: layer.tree,
    software: layer.givers().map((one) => {
      const license = installedLicense(layer.tree, one.name);
      return packageSoftware(one.vendor, one, one.sha256, license);
    }),
    facts: versionFacts(fields, resolved),
  };
}

/** `${facts.nftables-version}`, for the packages that the recipe names. */
function versionFacts(fields: PackagesFields, resolved: readonly ResolvedPackage[]): Record<string, string> {
  const named = new Set(fields.anyOf.flat());
  const facts = resolved.filter(({ name }) => named.has(name) && /^[A-Za-z][A-Za-z0-9-]*$/.test(name));
  return Object.fromEntries(facts.map(({ name, version }) => [`${name}-version`, version]));
}

class PackagesLayer {
  readonly tree: FileTree = new FileTree();
  readonly files: ReadonlyMap<string, PackageFile>;
  readonly #packages: readonly UnpackedPackage[];
  readonly #givers = new Set<string>();
  /** Programs and libraries that were chosen, on this machine. */
  readonly #programs: string[] = [];
  readonly #placed = new Map<string, string>();

  constructor(files: ReadonlyMap<string, PackageFile>, unpacked: readonly UnpackedPackage[]) {
    this.files = files;
    this.#packages = unpacked;
  }

  /** The packages that gave something, by name. */
  givers(): UnpackedPackage[] {
    const givers = this.#packages.filter(({ name }) => this.#givers.has(name));
    return givers.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async add(path: string, { hostPath, stats, package: { name } }: PackageFile): Promise<void> {
    const mode = stats.mode & 0o7777;
    if (stats.isDirectory()) {
      // What lies deeper may have made it already: its own mode counts.
      this.tree.directory(path, { mode });
      return;
    }
    this.#givers.add(name);
    if (stats.isSymbolicLink()) this.tree.symlink(path, await readlink(hostPath));
    else if (stats.isFile()) await this.#addFile(path, hostPath, mode);
    else throw new PlatformError("IMAGE_BUILD_FAILED", `${path} of the package ${name} is no file, directory or link`);
  }

  /** Libraries are found by name in usr/lib by every loader, whatever folder their package has them in. */
  async addLibraries(): Promise<void> {
    const { interpreter, libraries } = await sharedLibrariesOf(this.#programs, this.#packages);
    for (const [name, file] of libraries) {
      if (!this.#placed.has(file)) await this.#addFile(`usr/lib/${basename(name)}`, file, 0o644);
      this.#give(file);
    }
    if (interpreter === undefined) return;
    const path = usrMerged(interpreter.path);
    await this.#addFile(path, interpreter.file, 0o755);
    this.#give(interpreter.file);
    const [, folder = "lib"] = path.split("/");
    if (interpreter.path.replace(/^\//, "") !== path) this.tree.symlink(folder, `usr/${folder}`);
  }

  async addApplets({ program, directory, except = [] }: AppletLinks): Promise<void> {
    const host = [...this.#placed].find(([, path]) => path === program)?.[0];
    if (host === undefined) {
      throw new PlatformError("IMAGE_BUILD_FAILED", `applets: ${program} is not among the files of this step`);
    }
    const target = join(relative(directory, dirname(program)), basename(program));
    for (const applet of busyboxApplets(await readFile(host))) {
      const path = `${directory.replace(/\/$/, "")}/${applet}`;
      if (path !== program && !except.includes(applet)) this.tree.symlink(path, target);
    }
  }

  async addCopyrights(): Promise<void> {
    for (const { name } of this.givers()) {
      const path = `usr/share/doc/${name}/copyright`;
      const file = this.files.get(path);
      if (file?.stats.isFile() === true) await this.#addFile(path, file.hostPath, 0o644);
    }
  }

  async #addFile(path: string, hostPath: string, mode: number): Promise<void> {
    const stats = await lstat(hostPath);
    const file = stats.isSymbolicLink() ? join(dirname(hostPath), await readlink(hostPath)) : hostPath;
    const { size, mtimeMs } = stats.isSymbolicLink() ? await lstat(file) : stats;
    const content = { file, sizeBytes: size };
    this.tree.file(path, content, { mode, mtimeSeconds: Math.floor(mtimeMs / 1000) });
    this.#placed.set(hostPath, path);
    if (await beginsAsElf(file)) this.#programs.push(file);
  }

  #give(hostPath: string): void {
    const giver = this.#packages.find(({ directory }) => hostPath.startsWith(`${directory}/`));
    if (giver !== undefined) this.#givers.add(giver.name);
  }
}

async function beginsAsElf(file: string): Promise<boolean> {
  const handle = await open(file);
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(64), 0, 64, 0);
    return isElf(buffer.subarray(0, bytesRead));
  } finally {
    await handle.close();
  }
}
