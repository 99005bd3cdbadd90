/** Whatever goes wrong in a step says in which: the place in the recipe for mistakes in it, recipe and layer for everything else. */
import { PlatformError } from "@liquidmetal/foundation";
import { recipeError } from "../recipe-language/problem.ts";
import type { Recipe } from "../recipe-language/recipe.ts";
import type { RecipeLayer } from "../recipe-language/recipe-document.ts";
import type { Path } from "../recipe-language/recipe-text.ts";

export function explainer(recipe: Recipe, layer: RecipeLayer): (error: unknown) => unknown {
  return (caught) => {
    const error = PlatformError.from(caught, "IMAGE_BUILD_FAILED");
    if (error.code === "CANCELLED") return error;
    // With a file in it, it points at a place already: in a recipe that this one is made of.
    if (error.code === "RECIPE_INVALID" && !("file" in error.details)) {
      const step = ["layers", layer.index, layer.kind];
      const inner = pathOf(layer.fields, error.details["source"]);
      const path = [...step, ...(inner ?? [])];
      return recipeError(recipe.source, [{ path, atKey: inner === undefined, message: error.message }]);
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

/** Where in the fields a source is named, as it was written. */
function pathOf(fields: unknown, source: unknown): Path | undefined {
  if (fields === source) return [];
  if (typeof fields !== "object" || fields === null) return undefined;
  for (const [key, value] of Object.entries(fields)) {
    const inner = pathOf(value, source);
    if (inner !== undefined) return [Array.isArray(fields) ? Number(key) : key, ...inner];
  }
  return undefined;
}
