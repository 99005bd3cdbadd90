/** Looking into an image's file tree: in place where we may, else through a program that mounts it privately. */
import { constants, type Stats } from "node:fs";
import { access, copyFile, lstat, readdir, readlink } from "node:fs/promises";
import { join } from "node:path";
import { PlatformError } from "@liquidmetal/foundation";
import type { ImageTree, Spawner } from "@liquidmetal/microvm";
import { toolFailed } from "../volumes/ext4.ts";
import { directoryOf, runOnTree } from "../volumes/mounted-command.ts";

type TreeEntry =
  | { readonly kind: "file"; readonly sizeBytes: number }
  | { readonly kind: "link"; readonly target: string }
  | { readonly kind: "other" };

/** Paths are relative to the image's root; none of their directories may be a link (`resolveInside` sees to it). */
export interface TreeReader {
  /** Undefined = not there. */
  look(path: string): Promise<TreeEntry | undefined>;
  /** Names of files in a directory; empty when it is none. */
  files(directory: string): Promise<readonly string[]>;
  copy(path: string, to: string): Promise<void>;
}

export interface TreeReaderOptions {
  readonly spawner: Spawner;
  readonly tree: ImageTree;
  readonly mountPoint: string;
  readonly signal?: AbortSignal | undefined;
}

export async function openTree(options: TreeReaderOptions): Promise<TreeReader> {
  const directory = directoryOf(options.tree);
  if (directory !== undefined && (await readable(directory))) return new DirectTree(directory);
  return new MountedTree(options);
}

async function readable(directory: string): Promise<boolean> {
  return await access(directory, constants.R_OK | constants.X_OK).then(
    () => true,
    () => false,
  );
}

class DirectTree implements TreeReader {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  async look(path: string): Promise<TreeEntry | undefined> {
    let stats: Stats;
    try {
      stats = await lstat(join(this.#root, path));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "ENOENT" || code === "ENOTDIR") return undefined;
      throw new PlatformError("INTERNAL", `the image's file tree cannot be read: ${(error as Error).message}`, {
        cause: error,
      });
    }
    if (stats.isSymbolicLink()) return { kind: "link", target: await readlink(join(this.#root, path)) };
    return stats.isFile() ? { kind: "file", sizeBytes: stats.size } : { kind: "other" };
  }

  async files(directory: string): Promise<readonly string[]> {
    const entries = await readdir(join(this.#root, directory), { withFileTypes: true }).catch(() => []);
    return entries.filter((entry) => entry.isFile() || entry.isSymbolicLink()).map((entry) => entry.name);
  }

  async copy(path: string, to: string): Promise<void> {
    await copyFile(join(this.#root, path), to, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL);
  }
}

class MountedTree implements TreeReader {
  readonly #options: TreeReaderOptions;

  constructor(options: TreeReaderOptions) {
    this.#options = options;
  }

  async look(path: string): Promise<TreeEntry | undefined> {
    const [type, size, target] = (await this.#find([path], ["-maxdepth", "0", "-printf", "%y\\0%s\\0%l"])).split("\0");
    if (type === undefined || type === "") return undefined;
    if (type === "l") return { kind: "link", target: target ?? "" };
    return type === "f" ? { kind: "file", sizeBytes: Number(size) } : { kind: "other" };
  }

  async files(directory: string): Promise<readonly string[]> {
    const text = await this.#find(
      [directory],
      ["-mindepth", "1", "-maxdepth", "1", "-type", "f,l", "-printf", "%f\\0"],
    );
    return text.split("\0").filter((name) => name !== "");
  }

  async copy(path: string, to: string): Promise<void> {
    const result = await runOnTree(this.#options.spawner, {
      ...this.#options,
      program: "install",
      args: (root) => ["-m", "0444", "--", join(root, path), to],
    });
    if (result.code !== 0) throw toolFailed("install", result);
  }

  async #find(paths: readonly string[], expression: readonly string[]): Promise<string> {
    const { stdout } = await runOnTree(this.#options.spawner, {
      ...this.#options,
      program: "find",
      args: (root) => ["-P", ...paths.map((path) => join(root, path)), ...expression],
    });
    return stdout;
  }
}
