/** What a recipe is to the builder: which packages, which files of our own, and how they become a tree. */
import type { UnpackedPackage } from "./debian/unpacking.ts";
import type { FileTree } from "./tree/file-tree.ts";

export type Architecture = "amd64" | "arm64";

export interface AssembleContext {
  readonly packages: readonly UnpackedPackage[];
  /** The project's folder `guest/`. */
  readonly guestDirectory: string;
  readonly architecture: Architecture;
  /** Seconds since 1970: the time of everything in the image. */
  readonly epochSeconds: number;
  readonly signal?: AbortSignal;
}

export interface AssembledImage {
  readonly tree: FileTree;
  /** A tag that people understand, as in `6.1.192-2`. */
  readonly version: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly command?: readonly string[];
  readonly environment?: readonly string[];
}

export interface Recipe {
  /** As in `kernel/distro`. */
  readonly name: string;
  readonly title: string;
  /** Raised with every change of the recipe that the other inputs of the cache key do not show. */
  readonly revision: number;
  /** Lists and numbers of the recipe that change what it makes; part of the cache key. */
  readonly settings: unknown;
  readonly architectures: readonly Architecture[];
  /** Package sets to try in this order, until apt knows all of one. */
  readonly packages: readonly (readonly string[])[];
  /** Which of the resolved packages are downloaded. */
  readonly needs: (packageName: string) => boolean;
  /** Files and folders below `guest/` that go into the image. */
  readonly guestFiles: readonly string[];
  assemble(context: AssembleContext): Promise<AssembledImage>;
}
