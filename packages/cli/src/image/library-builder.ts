/** The image builder's library behind the port of the commands: loaded at the first call. */
import { lstat, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BuildRequest as LibraryRequest } from "@liquidmetal/image-builder";
import type { BuildRequest, ImageBuilder, RegistryAccess } from "./builder-port.ts";
import { destinationName } from "./destination.ts";
import { shippedFolder } from "./shipped-files.ts";
import { contentsOf } from "./stored-contents.ts";

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
        // A version that steps have yet to find out is no name: the other one is.
        reference: plan.reference.replace(/:[^:]*facts\.[^:]*$/, ":latest"),
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
    async checkDestination(destination, force) {
      const { checkOutput, parseOutputTarget } = await loaded();
      await checkOutput(parseOutputTarget(destinationName(destination)), force);
    },
    async write(layout, destination, { registry, ...options }) {
      const library = await loaded();
      const access = registryOptions(library, registry);
      return (await library.writeOutput(layout, destination, { ...options, registry: access })).digest;
    },
    async read(path, signal) {
      const { StoredLayout } = await loaded();
      return contentsOf(await StoredLayout.open(path, signal));
    },
    async readRemote(reference, registry, signal) {
      const library = await loaded();
      const work = await mkdtemp(join(tmpdir(), `liquidmetal-${process.pid}-inspect-`));
      try {
        const layout = join(work, "layout");
        const access = registryOptions(library, registry);
        await library.fetchLayout(reference, layout, { documentsOnly: true, registry: access, signal });
        return await contentsOf(await library.StoredLayout.open(layout, signal));
      } finally {
        await rm(work, { recursive: true, force: true });
      }
    },
    async checkDigests(path, signal) {
      const { verifyImage, writeOutput } = await loaded();
      const isArchive = (await lstat(path).catch(() => undefined))?.isFile() === true;
      const directory = isArchive ? await mkdtemp(join(tmpdir(), `liquidmetal-${process.pid}-verify-`)) : path;
      try {
        if (isArchive) await writeOutput(path, { kind: "oci", path: directory }, { signal });
        const { manifests } = await verifyImage(directory, { signal });
        return {
          // The manifest and its configuration, its layers, and what is attached.
          blobs: manifests.reduce((sum, { layers, attached }) => sum + 2 + layers + attached.length, 0),
          sizeBytes: manifests.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
        };
      } finally {
        if (isArchive) await rm(directory, { recursive: true, force: true });
      }
    },
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

function registryOptions(
  { defaultRegistryOptions }: Library,
  { authFile, hostsDirectory }: RegistryAccess,
): ReturnType<Library["defaultRegistryOptions"]> {
  return {
    ...defaultRegistryOptions(),
    ...(authFile === undefined ? {} : { credentialsPath: authFile }),
    ...(hostsDirectory === undefined ? {} : { hostsDirectory }),
  };
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
