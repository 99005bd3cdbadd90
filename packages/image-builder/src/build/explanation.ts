/** Whatever goes wrong in a step says in which: the place in the recipe for mistakes in it, recipe and layer for everything else. */
import { PlatformError } from "@liquidmetal/foundation";
import { recipeError } from "../recipe-language/problem.ts";
import type { Recipe } from "../recipe-language/recipe.ts";
import type { RecipeLayer } from "../recipe-language/recipe-document.ts";

export function explainer(recipe: Recipe, layer: RecipeLayer): (error: unknown) => unknown {
  return (caught) => {
    const error = PlatformError.from(caught, "IMAGE_BUILD_FAILED");
    if (error.code === "CANCELLED") return error;
    // With a file in it, it points at a place already: in a recipe that this one is made of.
    if (error.code === "RECIPE_INVALID" && !("file" in error.details)) {
      return recipeError(recipe.source, [
        { path: ["layers", layer.index, layer.kind], atKey: true, message: error.message },
      ]);
    }
    if ("file" in error.details && error.code === "RECIPE_INVALID") return error;
    const what = layer.name === layer.kind ? layer.kind : `${layer.name} (${layer.kind})`;
    return new PlatformError(error.code, `${recipe.document.name}, layer ${what}: ${error.message}`, {
      cause: caught,
      retry: error.retry,
      remedy: error.remedy,
      details: { ...error.details, recipe: recipe.document.name, layer: layer.name },
    });
  };
}
