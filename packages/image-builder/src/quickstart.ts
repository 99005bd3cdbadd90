/** The two images that the quickstart boots: built side by side, from the cache when nothing changed. */
import { PlatformError } from "@liquidmetal/foundation";
import { type BuildOptions, type BuiltImage, buildImage } from "./image-build.ts";
import { baseTiny } from "./recipes/base-tiny.ts";
import { kernelDistro } from "./recipes/kernel-distro.ts";

export interface BuiltKernelImage extends BuiltImage {
  /** Path of the kernel in the image: the bzImage. */
  readonly kernelPath: string;
  /** Path of the ELF kernel in the image. */
  readonly elfKernelPath: string;
  readonly initrdPath: string;
}

export interface QuickstartImages {
  readonly kernel: BuiltKernelImage;
  readonly root: BuiltImage;
}

/** When one build fails the other is cancelled, and both have cleaned up before this rejects. Errors: those of `buildImage`. */
export async function buildQuickstartImages(options: BuildOptions = {}): Promise<QuickstartImages> {
  const other = new AbortController();
  const signal = options.signal === undefined ? other.signal : AbortSignal.any([options.signal, other.signal]);
  let first: unknown;
  const building = [kernelDistro, baseTiny].map((recipe) =>
    buildImage(recipe, { ...options, signal }).catch((error: unknown) => {
      first ??= error;
      other.abort();
      return undefined;
    }),
  );
  const [kernel, root] = await Promise.all(building);
  if (kernel === undefined || root === undefined) throw first;
  return { kernel: withPaths(kernel), root };
}

function withPaths(image: BuiltImage): BuiltKernelImage {
  const path = (label: string): string => {
    const value = image.labels[label];
    if (value === undefined) throw new PlatformError("IMAGE_CORRUPT", `${image.reference} has no label ${label}`);
    return value;
  };
  return {
    ...image,
    kernelPath: path("dev.liquidmetal.kernel.path"),
    elfKernelPath: path("dev.liquidmetal.kernel.elf.path"),
    initrdPath: path("dev.liquidmetal.initrd.path"),
  };
}
