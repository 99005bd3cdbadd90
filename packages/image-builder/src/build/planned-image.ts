/** What is going to be built, as far as it can be known before anything is made: every layer with its key. */
import type { LayerRecord } from "../cache/records.ts";
import type { Recipe } from "../recipe-language/recipe.ts";
import type { RecipeDocument } from "../recipe-language/recipe-document.ts";
import type { Input } from "../steps/input.ts";
import type { AnyStepKind } from "../steps/registry.ts";
import type { Architecture, Resolution, StepContext } from "../steps/step-kind.ts";
import type { ImageConfiguration } from "./image-labels.ts";
import type { Plan } from "./wait-graph.ts";

export interface PlannedImage {
  /** Recipe, parameters and architecture: the same image has the same id. */
  readonly id: string;
  /** Of what is in the image: a part of its tag. */
  readonly key: string;
  /** Also of what is attached to it: how the recipe is worded, what its inputs are called. */
  readonly entryKey: string;
  readonly recipe: Recipe;
  readonly parameters: Readonly<Record<string, string>>;
  /** With its variables replaced; those of facts are still in it. */
  readonly document: RecipeDocument;
  readonly architecture: Architecture;
  readonly dateSeconds: number;
  readonly below: PlannedImage | ForeignImage | undefined;
  /** From the bottom up, those of the images below first. */
  readonly layers: readonly PlannedLayer[];
  readonly inputs: readonly Input[];
}

/** An image that was not built here: `from: oci:…`. Its layers are in the cache already. */
export interface ForeignImage {
  readonly key: string;
  readonly configuration: ImageConfiguration;
  readonly layers: readonly PlannedLayer[];
  readonly inputs: readonly Input[];
}

export interface PlannedLayer {
  readonly key: string;
  /** Of the recipe that has it. */
  readonly recipe: string;
  readonly name: string;
  readonly kind: string;
  readonly inputs: readonly Input[];
  readonly cached: LayerRecord | undefined;
  /** Absent: it is cached, and cannot be made (a layer of a foreign image). */
  readonly step?: PlannedStep;
}

export interface PlannedStep {
  readonly kind: AnyStepKind;
  readonly fields: unknown;
  readonly resolution: Resolution;
  readonly context: StepContext;
  readonly compression: "zstd" | "gzip";
  /** Nothing lies below. */
  readonly lowest: boolean;
  /** Names recipe and layer in what goes wrong. */
  readonly explain: (error: unknown) => unknown;
}

export interface ImageWish {
  readonly recipe: Recipe;
  readonly parameters: Readonly<Record<string, string>>;
  readonly architecture: Architecture;
}

/** How one plan asks for another: handed down, because planning an image plans those that it is made of. */
export type PlanImage = (wish: ImageWish, asker: Plan) => Promise<PlannedImage>;
