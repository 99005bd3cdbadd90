/**
 * One kind of step: what a recipe may say of it, what it needs, and how it makes a layer.
 *
 * A step becomes one layer. `resolve` says everything that the layer will be made of and makes nothing: its answer, the step's fields, the
 * architecture and the date are the layer's cache key (and, where `dependsOnBelow`, the keys of the layers below it). `make` is only run when no layer
 * of that key is in the cache. Same key, same bytes: a step takes nothing from clock, machine or network that `resolve` has not named.
 */
import type { z } from "zod";
import type { FileTree } from "../tree/file-tree.ts";
import type { Input, Software } from "./input.ts";

export type Architecture = "amd64" | "arm64";

export interface StepContext {
  /** The machine that the image is for. */
  readonly architecture: Architecture;
  /** Folder of the recipe file: relative paths of the recipe start here and may not leave it. */
  readonly recipeDirectory: string;
  /** The project's folder `guest/`: paths of a recipe that begin with `guest:` start there, as in `guest:tiny/init`. */
  readonly guestDirectory: string;
  /** Seconds since 1970: no file of the image is younger. The recipe's `date`, or SOURCE_DATE_EPOCH. */
  readonly dateSeconds: number;
  /** `$XDG_CACHE_HOME/liquidmetal/images`: a step keeps downloads and compiled programs in a folder of its own name below it, keyed by content. */
  readonly cacheDirectory: string;
  /** Recipes that a step is made of (container images): the same builder, the same cache. */
  readonly images: NestedBuilds;
  readonly report: StepReport;
  readonly signal: AbortSignal;
}

/** Says how far a step has come: `text` for people, a count where there is one. */
export type StepReport = (text: string, progress?: { readonly done: number; readonly total: number }) => void;

export interface Resolution {
  readonly inputs: readonly Input[];
  /** What else changes the result and is not in the step's fields: answers of resolvers, revisions of writers. */
  readonly settings?: unknown;
  /** The layer is made from what lies below it: its key then contains theirs. */
  readonly dependsOnBelow: boolean;
}

export interface MakeContext extends StepContext {
  /** Empty, ours alone (0700), removed after the step whatever happens. */
  readonly workDirectory: string;
  /** The merged tree of all layers below; empty for the first. Its contents are read from the cached layers. */
  below(): Promise<FileTree>;
}

export interface MadeLayer {
  /** What the layer adds, changes and removes (whiteouts). */
  readonly tree: FileTree;
  readonly software: readonly Software[];
  /** Things learnt while making, for the recipe's version and labels: `${facts.kernel-release}`. */
  readonly facts?: Readonly<Record<string, string>>;
}

export interface StepKind<Fields> {
  /** The key that a recipe uses: `debian`, `files`, `go`, … */
  readonly name: string;
  /** One sentence: what it does. Goes into the published JSON schema. */
  readonly summary: string;
  /** Raised when the step makes something else of the same fields and inputs. */
  readonly revision: number;
  /** Strict objects with `.describe()` on every field: schema, editor help and documentation come from here. */
  readonly fields: z.ZodType<Fields>;
  resolve(fields: Fields, context: StepContext): Promise<Resolution>;
  make(fields: Fields, resolution: Resolution, context: MakeContext): Promise<MadeLayer>;
}

export interface NestedRecipe {
  /** A name as in `node/containers/pause`, or a path relative to the recipe (`./pause.yaml`). */
  readonly recipe: string;
  readonly parameters: Readonly<Record<string, string>>;
}

export interface NestedBuilds {
  /** The key of a nested image (digest of its layers' keys and its description), and everything it will be made of. Makes nothing. */
  plan(nested: NestedRecipe): Promise<{ readonly key: string; readonly inputs: readonly Input[] }>;
  /** Builds it, or takes it from the cache, as an OCI layout in the new folder `directory`. */
  build(nested: NestedRecipe, directory: string): Promise<NestedImage>;
}

export interface NestedImage {
  /** Of the manifest. */
  readonly digest: string;
  readonly software: readonly Software[];
}
