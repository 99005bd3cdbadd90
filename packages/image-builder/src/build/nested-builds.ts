/** Images inside images: what a step gets to plan and to build other recipes with, by the same builder and in the same cache. */

import { join } from "node:path";
import { Semaphore } from "@liquidmetal/foundation";
import { layoutName } from "../cache/records.ts";
import type { Recipe } from "../recipe-language/recipe.ts";
import { recipeFolder } from "../recipe-language/recipe-library.ts";
import type { Architecture, NestedBuilds, NestedRecipe } from "../steps/step-kind.ts";
import type { BuildSession } from "./build-session.ts";
import { buildImages } from "./image-assembly.ts";
import { linkLayout } from "./image-layout.ts";
import type { PlanImage, PlannedImage } from "./planned-image.ts";
import type { Plan } from "./wait-graph.ts";

/** Each may compile on all processors. A bound for each parent, not for all: a parent waits for its children with its own permit. */
const buildingAtOnce = 2;

export function nestedBuilds(
  session: BuildSession,
  parent: { readonly recipe: Recipe; readonly architecture: Architecture; readonly self: Plan },
  planImage: PlanImage,
): NestedBuilds {
  const { recipe, architecture, self } = parent;
  const line = new Semaphore(buildingAtOnce);
  const planned = async ({ recipe: reference, parameters }: NestedRecipe): Promise<PlannedImage> => {
    const nested = await session.library.load(reference, recipeFolder(recipe));
    return await planImage({ recipe: nested, parameters, architecture }, self);
  };
  return {
    async plan(nested) {
      const { key, inputs } = await planned(nested);
      return { key, inputs };
    },
    async build(nested, directory) {
      const image = await planned(nested);
      const { record } = await line.run(() => buildImages(session, [image]), session.signal);
      await linkLayout(join(session.images.directory(record.key), layoutName), directory);
      return { digest: record.digest, software: record.software };
    },
  };
}
