/** The image builder's library behind the port of the commands: loaded at the first call. */
import { lstat, readdir } from "node:fs/promises";
import { PlatformError } from "@liquidmetal/foundation";
import type { BuildRequest as LibraryRequest } from "@liquidmetal/image-builder";
import type { BuildRequest, FileDestination, ImageBuilder } from "./builder-port.ts";
import { shippedFolder } from "./shipped-files.ts";
import { readStoredContents } from "./stored-contents.ts";

type Library = typeof import("@liquidmetal/image-builder");

export function libraryBuilder(): ImageBuilder {
  let library: Promise<Library> | undefined;
  const loaded = (): Promise<Library> => {
    library ??= import("@liquidmetal/image-builder");
    return library;
  };
  return {
    async plan(request) {
      const plan = await (await loaded()).planBuild(libraryRequest(request));
      return {
        image: plan.image,
        reference: plan.reference,
        platforms: plan.images.map(({ architecture, cached, layers }) => ({
          architecture,
          cached,
          layers: layers.map((layer) => ({
            name: layer.name,
            kind: layer.kind,
            cached: layer.cached,
            sizeBytes: layer.sizeBytes,
            inputs: layer.inputs.length,
          })),
        })),
      };
    },
    async build(request) {
      return (await loaded()).buildRecipe(libraryRequest(request));
    },
    async recipes() {
      return (await loaded()).listRecipes(shippedFolder("images"));
    },
    async checkDigests(layout, signal) {
      const { manifests } = await (await loaded()).verifyImage(layout, { signal });
      return {
        blobs: manifests.reduce((sum, { layers, attached }) => sum + layers + 2 + attached.length, 0),
        sizeBytes: manifests.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
      };
    },
    read: (path) => readStoredContents(path),
    checkDestination,
    write: () => unavailable("outputs"),
    async lock(request) {
      return (await loaded()).writeGoLock(request);
    },
    async cached(cacheDirectory) {
      const { cacheUsage, listCache } = await loaded();
      const [entries, { totalBytes }] = await Promise.all([listCache(cacheDirectory), cacheUsage(cacheDirectory)]);
      return { entries, totalBytes };
    },
    async prune(options) {
      return (await loaded()).pruneCache(options);
    },
  };
}

async function unavailable(what: string): Promise<never> {
  throw new PlatformError("CAPABILITY_MISSING", `${what}: not in this build`);
}

/** What is there is not overwritten unless that is asked for; known before the work, not after it. */
async function checkDestination(destination: FileDestination, force: boolean): Promise<void> {
  if (destination.kind === "registry" || force) return;
  const there = await lstat(destination.path).catch(() => undefined);
  const empty = there?.isDirectory() === true && (await readdir(destination.path)).length === 0;
  if (there === undefined || (destination.kind === "oci" && empty)) return;
  throw new PlatformError("REQUEST_INVALID", `'${destination.path}' exists`, {
    remedy: "name another place, or replace it with --force",
  });
}

function libraryRequest(request: BuildRequest): LibraryRequest {
  const { architectures, ...rest } = request;
  return {
    ...rest,
    ...(architectures.length === 0 ? {} : { architectures }),
    recipesDirectory: shippedFolder("images"),
    guestDirectory: shippedFolder("guest"),
  };
}
