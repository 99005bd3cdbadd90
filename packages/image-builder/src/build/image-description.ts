/** What an image says of itself: its configuration, annotations, labels, names. The same plan and layers give the same bytes. */
import type { LayerRecord } from "../cache/records.ts";
import { interpolate } from "../recipe-language/interpolation.ts";
import { type Problem, recipeError } from "../recipe-language/problem.ts";
import type { RecipeDocument } from "../recipe-language/recipe-document.ts";
import { configurationOf, type ImageConfiguration } from "./image-labels.ts";
import type { ForeignImage, PlannedImage } from "./planned-image.ts";

export interface ImageText {
  /** The tag: the recipe's version and the beginning of the key. */
  readonly version: string;
  readonly configuration: ImageConfiguration;
  /** The OCI image configuration. */
  readonly config: unknown;
  /** Of the manifest, and of an index. */
  readonly annotations: Readonly<Record<string, string>>;
  readonly layerAnnotations: readonly Readonly<Record<string, string>>[];
}

const registry = "liquidmetal.local";
/** OCI's limit for tags is 128. */
const maxVersionLength = 119;

/** The name of this very content, and `…:latest`. */
export const referencesOf = (recipe: string, version: string): readonly string[] =>
  [version, "latest"].map((tag) => `${registry}/${recipe}:${tag}`);

/** `version` as a tag: what a tag may not have (`+`, `~`, `:`) becomes `-`. */
export function tagOf(version: string, key: string): string {
  const readable = version.replace(/[^A-Za-z0-9_.-]/g, "-").replace(/^[.-]+/, "");
  return `${readable.slice(0, maxVersionLength)}-${key.slice(0, 8)}`;
}

/** `key`: of the whole image, all architectures together. Errors: RECIPE_INVALID for a fact that no step gave. */
export function describeImage(image: PlannedImage, layers: readonly LayerRecord[], key: string): ImageText {
  const document = withFacts(image, layers);
  const version = tagOf(document.version, key);
  const created = new Date(image.dateSeconds * 1000).toISOString().replace(".000Z", "Z");
  const inherited = configurationOf(document, configurationBelow(image.below, layers));
  const annotations = {
    "org.opencontainers.image.created": created,
    "org.opencontainers.image.title": document.title,
    "org.opencontainers.image.version": version,
    ...(document.description !== undefined && {
      "org.opencontainers.image.description": document.description.trim().replace(/\s+/g, " "),
    }),
    ...(document.licenses !== undefined && { "org.opencontainers.image.licenses": document.licenses }),
  };
  const labels = sorted({ ...inherited.labels, ...annotations, "dev.liquidmetal.recipe": document.name });
  const configuration = { ...inherited, labels };
  const { entrypoint, command, environment, user, workingDirectory } = configuration;
  return {
    version,
    configuration,
    annotations: sorted({
      ...Object.fromEntries(Object.entries(labels).filter(([name]) => name.startsWith("org.opencontainers.image."))),
    }),
    layerAnnotations: layers.map(({ name, recipe }) => ({
      "dev.liquidmetal.layer": name,
      "dev.liquidmetal.recipe": recipe,
    })),
    config: {
      created,
      architecture: image.architecture,
      os: "linux",
      config: {
        ...(user !== undefined && { User: user }),
        ...(environment !== undefined && { Env: environment }),
        ...(entrypoint !== undefined && { Entrypoint: entrypoint }),
        ...(command !== undefined && { Cmd: command }),
        ...(workingDirectory !== undefined && { WorkingDir: workingDirectory }),
        Labels: labels,
      },
      rootfs: { type: "layers", diff_ids: layers.map(({ diffId }) => diffId) },
      history: layers.map(({ recipe, name, kind }) => ({
        created,
        created_by: `liquidmetal ${recipe} ${name === kind ? kind : `${name} (${kind})`}`,
      })),
    },
  };
}

/** The document of an image with the facts that its layers, and those below it, gave. */
function withFacts(image: PlannedImage, layers: readonly LayerRecord[]): RecipeDocument {
  const facts = new Map(
    layers.flatMap((layer) => Object.entries(layer.facts).map(([name, value]) => [`facts.${name}`, value])),
  );
  const problems: Problem[] = [];
  const how = { variables: facts, keepFacts: false, onProblem: (problem: Problem) => problems.push(problem) };
  const { layers: written, parameters: _parameters, tables: _tables, ...header } = image.document;
  const replaced = interpolate(header, [], how) as Omit<RecipeDocument, "layers">;
  if (problems.length > 0) throw recipeError(image.recipe.source, problems);
  return { ...replaced, layers: written };
}

function configurationBelow(
  below: PlannedImage | ForeignImage | undefined,
  layers: readonly LayerRecord[],
): ImageConfiguration | undefined {
  if (below === undefined) return undefined;
  if ("configuration" in below) return below.configuration;
  const own = layers.slice(0, below.layers.length);
  return configurationOf(withFacts(below, own), configurationBelow(below.below, own));
}

const sorted = (record: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)));
