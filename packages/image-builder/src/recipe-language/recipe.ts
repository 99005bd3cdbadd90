/** A recipe that was read: its header checked, each layer known by its kind; the fields of the layers are checked once the variables are known. */

import { z } from "zod";
import type { StepKind } from "../steps/step-kind.ts";
import { checkFields } from "./field-problems.ts";
import { type Problem, recipeError } from "./problem.ts";
import type { RecipeDocument, RecipeLayer } from "./recipe-document.ts";
import { layerFields, type RecipeHeader, recipeHeader } from "./recipe-schema.ts";
import { parseYaml, type RecipeText } from "./recipe-text.ts";
import { suggestion } from "./suggestion.ts";
import { tableProblems } from "./variables.ts";

export type StepKinds = ReadonlyMap<string, StepKind<unknown>>;

export interface Recipe {
  readonly document: RecipeDocument;
  readonly source: RecipeText;
  /** Absolute path of the file. */
  readonly file: string;
}

/** `shownFile` stands in messages. Errors: RECIPE_INVALID with everything that is wrong. */
export function parseRecipe(text: string, file: string, kinds: StepKinds, shownFile: string = file): Recipe {
  const source = parseYaml(shownFile, text);
  const checked = checkFields(recipeHeader, source.value, []);
  // A header that cannot be read does not keep its layers from being looked at: all problems at once.
  const read = "value" in checked ? checked.value : undefined;
  const layers = layersOf(read?.layers ?? rawLayers(source.value), kinds);
  const problems = [
    ...("problems" in checked ? checked.problems : []),
    ...layers.problems,
    ...(read === undefined ? [] : tableProblems(read)),
  ];
  if (read === undefined || problems.length > 0) throw recipeError(source, problems);
  return { document: { ...read, layers: layers.layers }, source, file };
}

function rawLayers(value: unknown): RecipeHeader["layers"] {
  const list = typeof value === "object" && value !== null && "layers" in value ? value.layers : [];
  const isMapping = (layer: unknown): layer is Record<string, unknown> =>
    typeof layer === "object" && layer !== null && !Array.isArray(layer);
  return Array.isArray(list) && list.every(isMapping) ? list : [];
}

function layersOf(
  layers: RecipeHeader["layers"],
  kinds: StepKinds,
): { readonly layers: readonly RecipeLayer[]; readonly problems: readonly Problem[] } {
  const problems: Problem[] = [];
  const known = [...kinds.keys()];
  const beside = z.strictObject(layerFields);
  const read = layers.flatMap((layer, index): readonly RecipeLayer[] => {
    const path = ["layers", index];
    const { name, architecture, ...steps } = layer;
    const given = {
      ...(name !== undefined && { name }),
      ...(architecture !== undefined && { architecture }),
    };
    const checked = checkFields(beside, given, path);
    if ("problems" in checked) problems.push(...checked.problems);
    const found = Object.keys(steps);
    for (const key of found.filter((one) => !kinds.has(one))) {
      const meant = suggestion(key, [...known, ...Object.keys(layerFields)]);
      problems.push({
        path: [...path, key],
        atKey: true,
        message: `unknown kind of step ${JSON.stringify(key)}${meant}`,
      });
    }
    const [kind, ...more] = found.filter((one) => kinds.has(one));
    if (found.length === 0) problems.push({ path, message: `a layer names one kind of step: ${known.join(", ")}` });
    if (kind !== undefined && more.length > 0) {
      const message = `a layer has one kind of step, this has ${[kind, ...more].join(" and ")}: write two layers`;
      problems.push({ path: [...path, more[0] ?? kind], atKey: true, message });
    }
    if (kind === undefined || "problems" in checked) return [];
    const only = checked.value.architecture;
    return [
      { index, name: checked.value.name ?? kind, kind, fields: steps[kind], ...(only && { architecture: only }) },
    ];
  });
  return { layers: read, problems };
}
