import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { z } from "zod";
import { listRecipes } from "../build/builder.ts";
import { stepKinds } from "../steps/registry.ts";
import { publishedRecipeSchema } from "./published-schema.ts";
import { parseYaml } from "./recipe-text.ts";

const json: { readonly properties: { readonly layers: { readonly items: { readonly anyOf: readonly object[] } } } } =
  JSON.parse(publishedRecipeSchema());
const schema = z.fromJSONSchema(json as never);

describe("the published schema", () => {
  test("has every kind of step, and help for every key of the header", () => {
    const kinds = json.properties.layers.items.anyOf.map((layer) => {
      const { properties } = layer as { readonly properties: Readonly<Record<string, { description?: string }>> };
      const [kind = ""] = Object.keys(properties).filter((key) => key !== "name" && key !== "architecture");
      assert.ok(properties[kind]?.description, `${kind} says what it does`);
      return kind;
    });
    assert.deepEqual(kinds.sort(), [...stepKinds.keys()].sort());
    for (const [key, value] of Object.entries(json.properties)) {
      assert.ok((value as { description?: string }).description, `${key} has no description`);
    }
  });

  test("takes every shipped recipe, so that editors do not complain", async () => {
    const recipes = await listRecipes(join(import.meta.dirname, "../../../../images"));
    assert.ok(recipes.length > 5);
    for (const { name, path } of recipes) {
      const { value } = parseYaml(path, await readFile(path, "utf8"));
      const result = schema.safeParse(value);
      assert.ok(result.success, `${name}: ${result.success ? "" : z.prettifyError(result.error)}`);
    }
  });

  test("refuses what the builder refuses", () => {
    const recipe = { name: "a", title: "a", version: "1", date: "2026-11-01", architectures: ["amd64"] };
    assert.ok(schema.safeParse({ ...recipe, layers: [{ files: [{ path: "a", text: "${b}" }] }] }).success);
    for (const wrong of [
      { ...recipe, layers: [] },
      { ...recipe, layers: [{ fils: [] }] },
      { ...recipe, layers: [{ files: [] }] },
      { ...recipe, titel: "x", layers: [{ files: [{ path: "a", text: "b" }] }] },
      { ...recipe, version: 1, layers: [{ files: [{ path: "a", text: "b" }] }] },
    ]) {
      assert.equal(schema.safeParse(wrong).success, false, JSON.stringify(wrong));
    }
  });
});
