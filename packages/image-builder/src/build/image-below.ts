/** What `from` names: another recipe, or an image that was built elsewhere. */
import { resolve } from "node:path";
import { PlatformError } from "@liquidmetal/foundation";
import { recipeError } from "../recipe-language/problem.ts";
import type { Recipe } from "../recipe-language/recipe.ts";
import type { RecipeDocument } from "../recipe-language/recipe-document.ts";
import { recipeFolder } from "../recipe-language/recipe-library.ts";
import type { Architecture } from "../steps/step-kind.ts";
import type { BuildSession } from "./build-session.ts";
import { foreignImage } from "./foreign-image.ts";
import { imageSource } from "./image-source.ts";
import type { ForeignImage, PlanImage, PlannedImage } from "./planned-image.ts";
import type { Plan } from "./wait-graph.ts";

interface ImageAbove {
  readonly recipe: Recipe;
  readonly document: RecipeDocument;
  readonly architecture: Architecture;
  readonly self: Plan;
}

export async function imageBelow(
  session: BuildSession,
  image: ImageAbove,
  planImage: PlanImage,
): Promise<PlannedImage | ForeignImage | undefined> {
  const { recipe, architecture, self } = image;
  const { from } = image.document;
  if (from === undefined) return undefined;
  const reference = typeof from === "string" ? from : from.recipe;
  const folder = recipeFolder(recipe);
  const source = typeof from === "string" ? imageSource(from, (path) => resolve(folder, path)) : undefined;
  if (source === undefined && /[:@]/.test(reference)) {
    const message = `${JSON.stringify(reference)} is no recipe; an image of a registry is named with its digest, as in NAME@sha256:…: a tag may be another image tomorrow`;
    throw recipeError(recipe.source, [{ path: ["from"], message }]);
  }
  const parameters = (typeof from === "string" ? undefined : from.parameters) ?? {};
  try {
    if (source !== undefined) return await foreignImage(session, source, architecture);
    const below = await session.library.load(reference, folder);
    return await planImage({ recipe: below, parameters, architecture }, self);
  } catch (error) {
    if (!(error instanceof PlatformError) || "file" in error.details) throw error;
    if (["RECIPE_INVALID", "RECIPE_NOT_FOUND", "REQUEST_INVALID", "IMAGE_NOT_FOUND"].includes(error.code))
      throw recipeError(recipe.source, [{ path: ["from"], message: error.message }]);
    throw error;
  }
}
