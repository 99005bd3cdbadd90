/** The images that tests and benches boot, built from the shipped recipes, or taken from the builder's cache. */
import { spawn } from "node:child_process";
import { PlatformError } from "@liquidmetal/foundation";
import { type BuiltRecipe, buildRecipe, planBuild } from "@liquidmetal/image-builder";

export interface BootImages {
  /** `kernel/distro`: ready in seconds. */
  readonly kernel: BootKernel;
  /** `base/tiny`. */
  readonly root: BuiltRecipe;
}

export interface BootKernel extends BuiltRecipe {
  /** Paths in the image. The bzImage: */
  readonly kernelPath: string;
  readonly elfKernelPath: string;
  readonly initrdPath: string;
}

/** Both, side by side; when one build fails the other is cancelled. */
export async function bootImages(options: { readonly cacheDirectory?: string } = {}): Promise<BootImages> {
  const failed = new AbortController();
  const building = ["kernel/distro", "base/tiny"].map(async (recipe) => {
    try {
      return await buildRecipe({ recipe, signal: failed.signal, ...options });
    } catch (error) {
      failed.abort(error);
      throw error;
    }
  });
  const settled = await Promise.allSettled(building);
  const [kernel, root] = settled.map((result) => (result.status === "fulfilled" ? result.value : undefined));
  if (kernel === undefined || root === undefined) throw failed.signal.reason;
  return { kernel: withPaths(kernel), root };
}

/** An image that is only used where it is there already, since it takes long to build; else what to say of the test that is skipped. */
export async function cachedImage(
  recipe: string,
  parameters: Readonly<Record<string, string>> = {},
): Promise<BuiltRecipe | { readonly skip: string }> {
  const plan = await planBuild({ recipe, parameters });
  if (plan.images.every(({ cached }) => cached)) return buildRecipe({ recipe, parameters });
  return { skip: `${recipe} is not in the cache: 'bin/lm image build ${recipe}' or 'npm run test:images' builds it` };
}

/** An OCI layout directory as the tar that hosts import, in chunks. */
export async function* layoutArchive(layout: string): AsyncGenerator<{ readonly data: Uint8Array }> {
  const tar = spawn("tar", ["-C", layout, "-cf", "-", "."], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise<number | null>((resolve, reject) => {
    tar.once("error", reject);
    tar.once("close", resolve);
  });
  for await (const data of tar.stdout) yield { data: data as Buffer };
  const code = await ended;
  if (code !== 0) throw new Error(`tar of ${layout} ended with ${code}`);
}

function withPaths(image: BuiltRecipe): BootKernel {
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
