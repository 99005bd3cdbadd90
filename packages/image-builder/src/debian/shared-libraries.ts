/**
 * Finds the shared libraries that programs need among unpacked packages, so that an image carries these and not whole packages.
 *
 * Libraries are known by their file name (soname), links are followed inside their package only. What a program opens at run time by itself
 * (name-service modules, for one) is not found this way; the C library since 2.34 needs none for files and DNS.
 */
import { readFile, readlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { PlatformError } from "@liquidmetal/foundation";
import { linkedLibraries } from "../elf-file.ts";
import { walk } from "../tree/host-files.ts";
import type { UnpackedPackage } from "./unpacking.ts";

export interface SharedLibraries {
  /** Absolute path in the guest (as in `/lib64/ld-linux-x86-64.so.2`) and file on this machine. */
  readonly interpreter: { readonly path: string; readonly file: string } | undefined;
  /** File on this machine by soname. */
  readonly libraries: ReadonlyMap<string, string>;
}

export async function sharedLibrariesOf(
  programs: readonly string[],
  packages: readonly UnpackedPackage[],
): Promise<SharedLibraries> {
  const available = await libraryFiles(packages);
  const libraries = new Map<string, string>();
  const queue = [...programs];
  let interpreter: string | undefined;
  for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
    const linked = linkedLibraries(await readFile(file));
    interpreter ??= linked.interpreter;
    for (const name of linked.needed) {
      // The interpreter is in memory before anything asks for it by name.
      if (libraries.has(name) || name === basename(interpreter ?? "")) continue;
      const found = find(available, name, file);
      libraries.set(name, found);
      queue.push(found);
    }
  }
  if (interpreter === undefined) return { interpreter, libraries };
  return { interpreter: { path: interpreter, file: find(available, basename(interpreter), "programs") }, libraries };
}

function find(available: ReadonlyMap<string, string>, name: string, needer: string): string {
  const file = available.get(name);
  if (file === undefined) {
    throw new PlatformError(
      "IMAGE_BUILD_FAILED",
      `no package has the library ${name}, which ${basename(needer)} needs`,
    );
  }
  return file;
}

async function libraryFiles(packages: readonly UnpackedPackage[]): Promise<ReadonlyMap<string, string>> {
  const files = new Map<string, string>();
  for (const { directory } of packages) {
    for await (const { path, hostPath, stats } of walk(directory)) {
      if (!/(^|\/)lib(64)?\/.*\.so(\.|$)/.test(path)) continue;
      if (stats.isFile()) files.set(basename(path), hostPath);
      if (!stats.isSymbolicLink()) continue;
      const target = await readlink(hostPath);
      // An absolute link would lead to this machine's files.
      if (!target.includes("/") && !files.has(basename(path)))
        files.set(basename(path), join(dirname(hostPath), target));
    }
  }
  return files;
}
