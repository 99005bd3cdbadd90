/** Recipes in a folder of their own, a cache of their own, and a kind of step that counts how often it is made: for tests. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { z } from "zod";
import { type AnyStepKind, stepKinds } from "../steps/registry.ts";
import type { MadeLayer, MakeContext, StepContext, StepKind } from "../steps/step-kind.ts";
import { FileTree } from "../tree/file-tree.ts";
import type { BuildEvent, BuildPlan, BuildRequest, BuiltRecipe } from "./build-request.ts";
import { buildRecipe, planBuild } from "./builder.ts";

export interface ProbeFields {
  readonly id: string;
  readonly below?: boolean | undefined;
  readonly nested?: readonly string[] | undefined;
}

/** What the probe does where a test has nothing else in mind. */
export type ProbeMake = (fields: ProbeFields, context: MakeContext) => Promise<MadeLayer>;

export class BuildWorld implements AsyncDisposable {
  readonly directory: string;
  readonly cacheDirectory: string;
  readonly recipes: string;
  /** Ids of the probes that were made, in their order. */
  readonly made: string[] = [];
  readonly events: BuildEvent[] = [];
  make: ProbeMake = async ({ id }) => ({
    tree: new FileTree().file(`made/${id}`, id),
    software: [],
    facts: { [id]: `fact-${id}` },
  });

  private constructor(directory: string) {
    this.directory = directory;
    this.cacheDirectory = join(directory, "cache");
    this.recipes = join(directory, "images");
  }

  static async create(): Promise<BuildWorld> {
    const world = new BuildWorld(await mkdtemp(join(tmpdir(), "lm-build-")));
    await mkdir(world.recipes);
    return world;
  }

  /** A file below `images/`. */
  async write(path: string, text: string): Promise<void> {
    await mkdir(dirname(join(this.recipes, path)), { recursive: true });
    await writeFile(join(this.recipes, path), text);
  }

  /** A recipe of that name: header lines that are not given are those of every test; `layers` as YAML. */
  async recipe(name: string, layers: string, header: string = ""): Promise<void> {
    const common = `name: ${name}\ntitle: Test\ndate: 2026-11-01\narchitectures: [amd64, arm64]\n`;
    const version = /^version:/m.test(header) ? "" : 'version: "1"\n';
    await this.write(`${name}.yaml`, `${common}${version}${header}\nlayers:\n${layers}`);
  }

  request(recipe: string, changes: Partial<BuildRequest> = {}): BuildRequest {
    return {
      recipe,
      cacheDirectory: this.cacheDirectory,
      recipesDirectory: this.recipes,
      guestDirectory: join(this.directory, "guest"),
      architectures: ["amd64"],
      onEvent: (event) => this.events.push(event),
      ...changes,
    };
  }

  build(recipe: string, changes: Partial<BuildRequest> = {}): Promise<BuiltRecipe> {
    return buildRecipe(this.request(recipe, changes), { kinds: this.kinds() });
  }

  plan(recipe: string, changes: Partial<BuildRequest> = {}): Promise<BuildPlan> {
    return planBuild(this.request(recipe, changes), { kinds: this.kinds() });
  }

  kinds(): ReadonlyMap<string, AnyStepKind> {
    const world = this;
    const probe: StepKind<ProbeFields> = {
      name: "probe",
      summary: "Counts.",
      revision: 1,
      fields: z.strictObject({
        id: z.string(),
        below: z.boolean().optional(),
        nested: z.array(z.string()).optional(),
      }),
      async resolve({ below = false, nested = [] }, context: StepContext) {
        const plans = await Promise.all(nested.map((recipe) => context.images.plan({ recipe, parameters: {} })));
        return {
          inputs: plans.flatMap(({ inputs }) => inputs),
          settings: plans.map(({ key }) => key),
          dependsOnBelow: below,
        };
      },
      async make(fields, _resolution, context) {
        world.made.push(fields.id);
        return await world.make(fields, context);
      },
    };
    return new Map([...stepKinds, [probe.name, probe as unknown as AnyStepKind]]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.directory, { recursive: true, force: true });
  }
}

/** A document of a layout, by its digest or from index.json. */
export async function readDocument(layout: string, digest?: string): Promise<ReturnType<typeof JSON.parse>> {
  const path = digest === undefined ? "index.json" : `blobs/${digest.replace(":", "/")}`;
  return JSON.parse(await readFile(join(layout, path), "utf8"));
}

/** Manifest and configuration of an image of one architecture. */
export async function readImage(built: BuiltRecipe): Promise<{
  readonly manifest: ReturnType<typeof JSON.parse>;
  readonly config: ReturnType<typeof JSON.parse>;
}> {
  const manifest = await readDocument(built.layout, built.manifests[0]?.digest);
  return { manifest, config: await readDocument(built.layout, manifest.config.digest) };
}
