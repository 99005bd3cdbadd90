/** The recipe language as JSON schema (draft 2020-12), for editors: `docs/schema/recipe.schema.json`, written by `npm run generate`. */
import { z } from "zod";
import { stepKinds } from "../steps/registry.ts";
import { recipeSchema } from "./recipe-schema.ts";

export function publishedRecipeSchema(): string {
  const schema = z.toJSONSchema(recipeSchema([...stepKinds.values()]), {
    io: "input",
    target: "draft-2020-12",
    // What a schema checks in code (one of several keys, a date that exists) is said by the builder, with line and column.
    unrepresentable: "any",
    reused: "inline",
  });
  const { $schema, ...rest } = schema;
  allowVariables(rest.properties?.["layers"]);
  const titled = {
    $schema,
    title: "Image recipe of Liquid Metal",
    description: "What an image is made of: lm image build RECIPE. How a recipe is written stands in docs/images.md.",
    ...rest,
  };
  return `${JSON.stringify(titled, undefined, 2)}\n`;
}

/** Wherever a text of a certain form is wanted, `${…}` may stand in it: what it becomes is checked when the variables are known. */
function allowVariables(schema: unknown): void {
  if (typeof schema !== "object" || schema === null) return;
  if ("pattern" in schema && typeof schema.pattern === "string") schema.pattern = `(?:${schema.pattern})|\\$\\{.+\\}`;
  for (const inner of Object.values(schema)) allowVariables(inner);
}
