/**
 * Planning: every input of every layer is resolved, and nothing is made.
 *
 * A layer's key covers its kind and revision, its fields, its inputs, architecture, date and compressor, and where it is made from what lies below also
 * the keys of the layers below. An image's key covers its layers' keys and all that its description says.
 */
import { PlatformError, Semaphore } from "@liquidmetal/foundation";
import { packingOf } from "../oci/layer.ts";
import { checkFields } from "../recipe-language/field-problems.ts";
import { type Interpolation, interpolate, type Variables } from "../recipe-language/interpolation.ts";
import { type Problem, recipeError } from "../recipe-language/problem.ts";
import type { Recipe } from "../recipe-language/recipe.ts";
import type { RecipeDocument, RecipeLayer } from "../recipe-language/recipe-document.ts";
import { recipeFolder } from "../recipe-language/recipe-library.ts";
import { dateSeconds } from "../recipe-language/recipe-schema.ts";
import { parametersOf, variablesOf } from "../recipe-language/variables.ts";
import type { AnyStepKind } from "../steps/registry.ts";
import type { Architecture, Resolution, StepContext } from "../steps/step-kind.ts";
import { documentsRevision } from "./attachments.ts";
import type { BuildSession } from "./build-session.ts";
import { keyOf } from "./canonical.ts";
import { explainer } from "./explanation.ts";
import { imageBelow } from "./image-below.ts";
import { nestedBuilds } from "./nested-builds.ts";
import type { ImageWish, PlanImage, PlannedImage, PlannedLayer } from "./planned-image.ts";
import type { Plan } from "./wait-graph.ts";

/** Raised when the writers of this room change what they write for the same tree. */
const builderRevision = 2;
/** Resolving asks apt, Go and disks: more at once is not faster. */
const resolvingAtOnce = 4;

/** The plan of an image, made once for each session. `asker`: the image that is going to be made of it. */
export async function planImage(session: BuildSession, wish: ImageWish, asker?: Plan): Promise<PlannedImage> {
  const id = keyOf([wish.recipe.file, wish.architecture, [...parametersOf(wish.recipe, wish.parameters)].sort()]);
  const self = { id, name: wish.recipe.document.name };
  const planned = (): Promise<PlannedImage> => {
    const known = session.plans.get(id) ?? plan(session, wish, self);
    session.plans.set(id, known);
    return known;
  };
  return asker === undefined ? await planned() : await session.waits.during(asker, self, planned);
}

async function plan(session: BuildSession, wish: ImageWish, self: Plan): Promise<PlannedImage> {
  const { recipe, architecture } = wish;
  const { name } = recipe.document;
  if (!recipe.document.architectures.includes(architecture)) {
    const there = recipe.document.architectures.join(" and ");
    throw new PlatformError("CAPABILITY_MISSING", `the recipe ${name} is for ${there}, not for ${architecture}`, {
      remedy: `build it for another architecture, or add this one to the recipe`,
    });
  }
  session.emit({ image: name, stage: "resolve", text: "resolving what it is made of" });
  const variables = variablesOf(recipe, wish.parameters, architecture);
  const { document, layers } = replaceVariables(session, recipe, variables, architecture);
  const date = session.dateOverride ?? dateSeconds(document.date) ?? 0;
  const planOther: PlanImage = (other, asker) => planImage(session, other, asker);
  const context: Omit<StepContext, "report"> = {
    architecture,
    recipeDirectory: recipeFolder(recipe),
    guestDirectory: session.guestDirectory,
    dateSeconds: date,
    cacheDirectory: session.cacheDirectory,
    images: nestedBuilds(session, { recipe, architecture, self }, planOther),
    signal: session.signal,
  };
  const planningBelow = imageBelow(session, { recipe, document, architecture, self }, planOther);
  const resolving = resolveAll(session, recipe, layers, context);
  await session.all<unknown>([planningBelow, resolving]);
  const [below, resolved] = [await planningBelow, await resolving];
  const compression = document.compression ?? "zstd";
  const all = await keyLayers(session, { name, date, compression, below: below?.layers ?? [] }, resolved);
  const { layers: _layers, tables: _tables, parameters: _parameters, from: _from, ...described } = document;
  const key = keyOf([builderRevision, described, date, architecture, below?.key, all.map((layer) => layer.key)]);
  const parameters = Object.fromEntries(parametersOf(recipe, wish.parameters));
  const inputs = [...(below?.inputs ?? []), ...resolved.flatMap(({ resolution }) => resolution.inputs)];
  const belowEntry = below !== undefined && "entryKey" in below ? below.entryKey : below?.key;
  return {
    id: self.id,
    key,
    entryKey: keyOf([key, documentsRevision(), recipe.source.text, parameters, inputs, belowEntry]),
    recipe,
    parameters,
    document,
    architecture,
    dateSeconds: date,
    below,
    layers: all,
    inputs,
  };
}

interface CheckedLayer {
  readonly layer: RecipeLayer;
  readonly kind: AnyStepKind;
  readonly fields: unknown;
}

/** Header and layers with their variables replaced, the fields of each layer checked by its kind; all problems at once. */
function replaceVariables(
  session: BuildSession,
  recipe: Recipe,
  variables: Variables,
  architecture: Architecture,
): { readonly document: RecipeDocument; readonly layers: readonly CheckedLayer[] } {
  const problems: Problem[] = [];
  const how: Interpolation = { variables, keepFacts: false, onProblem: (problem) => problems.push(problem) };
  const { layers, parameters: _parameters, tables: _tables, ...header } = recipe.document;
  const replaced = interpolate(header, [], { ...how, keepFacts: true }) as Omit<RecipeDocument, "layers">;
  const checked = layers
    .filter((layer) => layer.architecture === undefined || layer.architecture === architecture)
    .flatMap((layer): readonly CheckedLayer[] => {
      const kind = session.kinds.get(layer.kind);
      if (kind === undefined) throw new PlatformError("INTERNAL", `no kind of step is called ${layer.kind}`);
      const path = ["layers", layer.index, layer.kind];
      const before = problems.length;
      const fields = interpolate(layer.fields, path, how);
      const result = checkFields(kind.fields, fields, path);
      if ("problems" in result) problems.push(...result.problems);
      return "value" in result && problems.length === before ? [{ layer, kind, fields: result.value }] : [];
    });
  if (problems.length === 0 && checked.length === 0) {
    problems.push({ path: ["layers"], atKey: true, message: `has no layer for ${architecture}` });
  }
  if (problems.length > 0) throw recipeError(recipe.source, problems);
  return { document: { ...replaced, layers }, layers: checked };
}

interface ResolvedLayer extends CheckedLayer {
  readonly resolution: Resolution;
  readonly context: StepContext;
  readonly explain: (error: unknown) => unknown;
}

async function resolveAll(
  session: BuildSession,
  recipe: Recipe,
  layers: readonly CheckedLayer[],
  context: Omit<StepContext, "report">,
): Promise<readonly ResolvedLayer[]> {
  const image = recipe.document.name;
  const line = new Semaphore(resolvingAtOnce);
  const resolving = layers.map((checked) =>
    line.run(async () => {
      session.signal.throwIfAborted();
      const { kind, layer, fields } = checked;
      const explain = explainer(recipe, layer);
      const report: StepContext["report"] = (text, progress) =>
        session.emit({ image, layer: layer.name, stage: "resolve", text, ...progress });
      const own = { ...context, report };
      try {
        return { ...checked, context: own, explain, resolution: await kind.resolve(fields, own) };
      } catch (error) {
        throw explain(error);
      }
    }),
  );
  return await session.all(resolving);
}

async function keyLayers(
  session: BuildSession,
  image: { name: string; date: number; compression: "zstd" | "gzip"; below: readonly PlannedLayer[] },
  resolved: readonly ResolvedLayer[],
): Promise<readonly PlannedLayer[]> {
  const layers = [...image.below];
  for (const { layer, kind, fields, resolution, context, explain } of resolved) {
    const lowest = layers.length === 0;
    const key = keyOf({
      builderRevision,
      kind: [kind.name, kind.revision],
      fields,
      inputs: resolution.inputs.map(({ kind: what, name, version, digest }) => [what, name, version, digest]),
      settings: resolution.settings,
      architecture: context.architecture,
      date: image.date,
      packing: packingOf(image.compression),
      lowest,
      below: resolution.dependsOnBelow ? layers.map((below) => below.key) : [],
    });
    const { compression } = image;
    layers.push({
      key,
      recipe: image.name,
      name: layer.name,
      kind: kind.name,
      inputs: resolution.inputs,
      cached: session.rebuild ? undefined : await session.layers.find(key),
      step: { kind, fields, resolution, context, compression, lowest, explain },
    });
  }
  return layers;
}
