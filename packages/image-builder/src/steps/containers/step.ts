/** `containers`: container images of other recipes, put unpacked into the containerd store of this one. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { PlatformError } from "@liquidmetal/foundation";
import type { Input, Software } from "../input.ts";
import type { MakeContext, NestedRecipe, StepKind } from "../step-kind.ts";
import { type BuiltImage, readBuiltImage } from "./built-image.ts";
import { type ContainerEntry, type ContainersFields, containersFields } from "./fields.ts";
import { imageNames } from "./image-names.ts";
import { containerdStore, type NamedImage } from "./store.ts";

export const containers: StepKind<ContainersFields> = {
  name: "containers",
  summary:
    "Container images of other recipes, unpacked in a containerd store: nothing is pulled when the machine starts.",
  revision: 1,
  fields: containersFields,

  async resolve(fields, context) {
    const inputs: Input[] = [];
    for (const entry of fields.images) {
      const nested = nestedOf(entry);
      const planned = await context.images.plan(nested);
      inputs.push({ kind: "image", name: nested.recipe, digest: planned.key }, ...planned.inputs);
    }
    // The names come from a program of the layers below.
    return { inputs: distinct(inputs), dependsOnBelow: fields.namesFrom !== undefined };
  },

  async make(fields, _resolution, context) {
    context.report("asking for the names of the images");
    const names = await imageNames(fields, context);
    const images: NamedImage[] = [];
    const software: Software[] = [];
    for (const [number, entry] of fields.images.entries()) {
      const name = names[number] ?? entry.recipe;
      context.report(name, { done: number, total: fields.images.length });
      const built = await buildOne(entry, number, context);
      checkVersion(name, built.image, context);
      images.push({ name, pinned: entry.pinned ?? true, image: built.image });
      software.push(...built.software);
    }
    context.report("images are in the store", { done: images.length, total: images.length });
    const tree = containerdStore(fields.store, images, context.dateSeconds);
    if (fields.sandboxConfiguration !== undefined) {
      tree.file(fields.sandboxConfiguration, sandboxConfiguration(pauseName(names)));
    }
    return { tree, software: distinct(software), facts: { "container-images": String(images.length) } };
  },
};

async function buildOne(
  entry: ContainerEntry,
  number: number,
  context: MakeContext,
): Promise<{ readonly image: BuiltImage; readonly software: readonly Software[] }> {
  const layout = join(context.workDirectory, `image-${number}`);
  const layers = join(context.workDirectory, `layers-${number}`);
  const { digest, software } = await context.images.build(nestedOf(entry), layout);
  await mkdir(layers);
  return { image: await readBuiltImage(layout, digest, layers, context.signal), software };
}

/**
 * A tag is a promise: what is asked for as 3.6.8-0 may be a newer version, which is said, but never an older one. Versions that cannot be compared pass.
 */
function checkVersion(name: string, { version = "" }: BuiltImage, context: MakeContext): void {
  const tag = name.slice(name.lastIndexOf(":") + 1);
  const [asked, made] = [numbersOf(tag), numbersOf(version)];
  if (asked === undefined || made === undefined) return;
  const order = asked.map((number, index) => (made[index] ?? 0) - number).find((difference) => difference !== 0) ?? 0;
  if (order > 0) context.report(`${name} is version ${version}, which is newer than its tag`);
  if (order >= 0) return;
  throw new PlatformError(
    "IMAGE_BUILD_FAILED",
    `${name} is asked for, and the recipe makes version ${version}, which is older`,
    {
      remedy: "choose the version parameter of the image's recipe so that it fits",
    },
  );
}

function numbersOf(version: string): readonly number[] | undefined {
  const found = /^v?(\d+)\.(\d+)(?:\.(\d+))?/.exec(version);
  return found?.slice(1).map((part: string | undefined) => Number(part ?? 0));
}

function pauseName(names: readonly string[]): string {
  const found = names.find((name) => /(^|\/)pause:[^/]*$/.test(name));
  if (found !== undefined) return found;
  throw new PlatformError("RECIPE_INVALID", "sandboxConfiguration is given, and no image of the store is called pause");
}

const sandboxConfiguration = (name: string): string =>
  `# The image of the container that holds a pod's namespaces. It came with this machine.
version = 3

[plugins."io.containerd.cri.v1.images".pinned_images]
  sandbox = "${name}"
`;

const nestedOf = ({ recipe, parameters }: ContainerEntry): NestedRecipe => ({ recipe, parameters: parameters ?? {} });

const distinct = <T>(all: readonly T[]): readonly T[] => [
  ...new Map(all.map((one) => [JSON.stringify(one), one])).values(),
];
