/** What a caller asks of the builder, and what it gets: the library's face. */
import type { RecipeParameter } from "../recipe-language/recipe-document.ts";
import type { Input, Software } from "../steps/input.ts";
import type { Architecture } from "../steps/step-kind.ts";

export interface BuildRequest {
  /** A shipped name (`node/kubernetes`), or the path of a YAML file. */
  readonly recipe: string;
  readonly parameters?: Readonly<Record<string, string>>;
  /** Default: the machine's. */
  readonly architectures?: readonly Architecture[];
  /** Default: `$XDG_CACHE_HOME/liquidmetal/images`. */
  readonly cacheDirectory?: string;
  /** The project's folder `guest/`. Default: the one of this checkout or release. */
  readonly guestDirectory?: string;
  /** The folder of the shipped recipes. Default: `images/` of this checkout or release. */
  readonly recipesDirectory?: string;
  /** Seconds since 1970, in place of the recipes' dates. Default: the environment's SOURCE_DATE_EPOCH, if it is set. */
  readonly sourceDateEpoch?: number;
  /** Makes every layer again, also those of the images inside it and below it. What kinds of steps keep for themselves stays. */
  readonly rebuild?: boolean;
  /** Bound of the cache after the build: the least recently used goes first. Default 20 GiB. */
  readonly cacheMaxBytes?: number;
  readonly onEvent?: (event: BuildEvent) => void;
  readonly signal?: AbortSignal;
}

export type BuildEventStage = "resolve" | "build" | "pack" | "assemble" | "done";

export interface BuildEvent {
  /** Name of the recipe: of the one that was asked for, or of one that it is made of. */
  readonly image: string;
  readonly layer?: string;
  readonly stage: BuildEventStage;
  readonly cached?: boolean;
  /** For people, without the names of image and layer. */
  readonly text: string;
  readonly done?: number;
  readonly total?: number;
  readonly sizeBytes?: number;
  /** Since the build began. */
  readonly elapsedMs: number;
}

export interface PlannedLayerSummary {
  readonly name: string;
  /** Kind of step; `image` for the layers of an image that `from` names. */
  readonly kind: string;
  readonly key: string;
  readonly cached: boolean;
  /** Of the compressed layer, where it is known: it is cached. */
  readonly sizeBytes?: number;
  readonly inputs: readonly Input[];
}

export interface BuildPlan {
  /** Name of the recipe. */
  readonly image: string;
  readonly reference: string;
  readonly images: readonly {
    readonly architecture: Architecture;
    readonly key: string;
    /** The finished image is there. */
    readonly cached: boolean;
    readonly layers: readonly PlannedLayerSummary[];
  }[];
}

export interface BuiltRecipe {
  /** A name of its own for this content, as in `liquidmetal.local/base/tiny:0.2.0-0a1b2c3d`. */
  readonly reference: string;
  /** All its names: the one above, and `…:latest`. */
  readonly references: readonly string[];
  /** OCI layout directory inside the cache: read only; it stays until this process ends or prunes the cache. */
  readonly layout: string;
  /** Of the index where there are several architectures, else of the manifest. */
  readonly digest: string;
  readonly manifests: readonly {
    readonly architecture: Architecture;
    readonly digest: string;
    readonly labels: Readonly<Record<string, string>>;
  }[];
  /** Of the first manifest. */
  readonly labels: Readonly<Record<string, string>>;
  /** Of all blobs. */
  readonly sizeBytes: number;
  /** Nothing was built: it was there. */
  readonly cached: boolean;
  readonly software: readonly Software[];
  readonly inputs: readonly Input[];
  readonly durationMs: number;
}

export interface RecipeSummary {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly parameters: Readonly<Record<string, RecipeParameter>>;
  readonly architectures: readonly Architecture[];
  readonly path: string;
}
