/**
 * The builder: plans, builds, lists.
 *
 * Whatever happens (failure, Ctrl-C, full disk), nothing half is left: layers and images appear whole in the cache, work directories are removed, those
 * of a killed builder by the next build. What was finished before is kept, and a rerun goes on from there.
 */
import { join } from "node:path";
import { PlatformError } from "@liquidmetal/foundation";
import { defaultCacheDirectory } from "../cache/cache-folders.ts";
import { diskFullOr } from "../cache/disk-full.ts";
import { defaultMaxBytes, evictOldest } from "../cache/eviction.ts";
import { layoutName } from "../cache/records.ts";
import { RecipeLibrary } from "../recipe-language/recipe-library.ts";
import { stepKinds } from "../steps/registry.ts";
import type { Architecture } from "../steps/step-kind.ts";
import type { BuildPlan, BuildRequest, BuiltRecipe, RecipeSummary } from "./build-request.ts";
import { BuildSession, checkout, type SessionOptions } from "./build-session.ts";
import { buildImages, imageEntryKey, imageKey } from "./image-assembly.ts";
import { describeImage, referencesOf, tagOf } from "./image-description.ts";
import type { PlannedImage } from "./planned-image.ts";
import { planImage } from "./planning.ts";

/**
 * What a build would do, and what of it is there already. Resolves every input and makes nothing.
 *
 * Errors: RECIPE_NOT_FOUND, RECIPE_INVALID, REQUEST_INVALID, CAPABILITY_MISSING, CANCELLED, and what the steps' resolvers say.
 */
export function planBuild(request: BuildRequest, options: SessionOptions = {}): Promise<BuildPlan> {
  return inSession(request, options, async (session) => {
    const images = await planAll(session, request);
    const name = images[0]?.document.name ?? "";
    const key = imageKey(images);
    const complete = !session.rebuild && (await session.images.find(imageEntryKey(images))) !== undefined;
    return {
      image: name,
      reference: referenceOf(images[0], key),
      images: images.map(({ architecture, key: ownKey, layers }) => ({
        architecture,
        key: ownKey,
        cached: complete && layers.every(({ cached }) => cached !== undefined),
        layers: layers.map(({ name: layer, kind, key: layerKey, cached, inputs }) => ({
          name: layer,
          kind,
          key: layerKey,
          cached: cached !== undefined,
          ...(cached !== undefined && { sizeBytes: cached.sizeBytes }),
          inputs,
        })),
      })),
    };
  });
}

/**
 * Builds a recipe, or takes from the cache what did not change.
 *
 * Errors: those of `planBuild`, IMAGE_BUILD_FAILED, TOOL_MISSING, KERNEL_INVALID, DISK_FULL.
 */
export function buildRecipe(request: BuildRequest, options: SessionOptions = {}): Promise<BuiltRecipe> {
  return inSession(request, options, async (session) => {
    const images = await planAll(session, request);
    const image = images[0]?.document.name ?? "";
    const { record, cached } = await buildImages(session, images);
    await session.lease.keep("images", record.key);
    if (!cached) await evictOldest(session.lease, request.cacheMaxBytes ?? defaultMaxBytes);
    const { references, digest, manifests, sizeBytes, software, inputs } = record;
    session.emit({ image, stage: "done", cached, text: cached ? "nothing changed" : "built", sizeBytes });
    return {
      reference: references[0] ?? "",
      references,
      layout: join(session.images.directory(record.key), layoutName),
      digest,
      manifests: manifests.map(({ architecture, digest: own, labels }) => ({ architecture, digest: own, labels })),
      labels: manifests[0]?.labels ?? {},
      sizeBytes,
      cached,
      software,
      inputs,
      durationMs: session.elapsedMs,
    };
  });
}

/** The recipes of a folder (default: the shipped ones) by name. Errors: RECIPE_INVALID when one of them cannot be read. */
export async function listRecipes(directory: string = join(checkout, "images")): Promise<readonly RecipeSummary[]> {
  const library = new RecipeLibrary(directory, stepKinds);
  const recipes = await library.names();
  return await Promise.all(
    recipes.map(async (name): Promise<RecipeSummary> => {
      const { document, file } = await library.load(name, directory);
      const { title, description = "", parameters = {}, architectures } = document;
      return { name, title, description, parameters, architectures, path: file };
    }),
  );
}

/** The name that the image will have. Facts that its version is made of are only known when its layers are there: till then it is `:latest`. */
function referenceOf(image: PlannedImage | undefined, key: string): string {
  if (image === undefined) return "";
  const layers = image.layers.flatMap(({ cached }) => cached ?? []);
  const [named = "", latest = ""] = referencesOf(image.document.name, tagOf(image.document.version, key));
  if (!/\$\{facts\./.test(image.document.version)) return named;
  if (layers.length < image.layers.length) return latest;
  return referencesOf(image.document.name, describeImage(image, layers, key).version)[0] ?? latest;
}

async function planAll(session: BuildSession, request: BuildRequest): Promise<readonly PlannedImage[]> {
  const recipe = await session.library.load(request.recipe, process.cwd());
  const architectures = [...new Set(request.architectures ?? [machine()])];
  const parameters = request.parameters ?? {};
  return await session.all(
    architectures.map((architecture) => planImage(session, { recipe, parameters, architecture })),
  );
}

async function inSession<T>(
  request: BuildRequest,
  options: SessionOptions,
  work: (session: BuildSession) => Promise<T>,
): Promise<T> {
  let session: BuildSession | undefined;
  let cacheDirectory = request.cacheDirectory ?? defaultCacheDirectory();
  try {
    session = await BuildSession.open(request, options);
    cacheDirectory = session.cacheDirectory;
    return await work(session);
  } catch (error) {
    if (request.signal?.aborted === true) {
      throw new PlatformError("CANCELLED", `the build of ${request.recipe} was cancelled`, { cause: error });
    }
    throw await diskFullOr(PlatformError.from(error, "IMAGE_BUILD_FAILED"), cacheDirectory);
  } finally {
    await session?.end();
  }
}

function machine(): Architecture {
  const architecture = process.arch === "x64" ? "amd64" : process.arch;
  if (architecture === "amd64" || architecture === "arm64") return architecture;
  throw new PlatformError("CAPABILITY_MISSING", `no image is built for ${process.arch}: name an architecture`);
}
