import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { parse } from "yaml";

const images = join(import.meta.dirname, "../../../../../images");

interface GoLayer {
  readonly lock?: string;
  readonly ldflags?: unknown;
  readonly tags?: unknown;
}

interface Recipe {
  readonly name: string;
  readonly parameters?: Readonly<Record<string, { readonly tested?: readonly string[] }>>;
  readonly layers: readonly { readonly go?: GoLayer }[];
}

const files = (await readdir(images, { recursive: true })).filter(
  (file) => file.endsWith(".yaml") && !file.includes("files/"),
);
const recipes = (
  await Promise.all(
    files.map(async (file) => ({ file, recipe: parse(await readFile(join(images, file), "utf8")) as Partial<Recipe> })),
  )
).filter((each): each is { file: string; recipe: Recipe } => each.recipe?.layers !== undefined);

test("recipes that share a lock link with the same values: otherwise every one of them is a compile of its own", () => {
  const flags = new Map<string, { readonly file: string; readonly text: string }>();
  for (const { file, recipe } of recipes) {
    for (const { go } of recipe.layers) {
      if (go?.lock === undefined) continue;
      // The parameter with the version is called after the component where there are several.
      const neutral = (value: unknown): string =>
        JSON.stringify(value ?? {}).replace(/\$\{(version|kubernetes|containerd)\}/g, "VERSION");
      const lock = join(dirname(file), go.lock).replace(/\$\{\w+\}/, "VERSION");
      const text = neutral([go.ldflags, go.tags]);
      const first = flags.get(lock) ?? { file, text };
      flags.set(lock, first);
      assert.equal(text, first.text, `${file} and ${first.file} compile ${lock} with other flags`);
    }
  }
  assert.ok(flags.size >= 4, "no recipes were found");
});

test("every version that a recipe of a container was tested with has its lock", () => {
  for (const { file, recipe } of recipes) {
    for (const { go } of recipe.layers) {
      for (const version of recipe.parameters?.["version"]?.tested ?? []) {
        if (go?.lock === undefined) continue;
        const lock = join(images, dirname(file), go.lock.replace("${version}", version));
        assert.ok(existsSync(join(lock, "go.sum")), `${file} was tested with ${version}, and has no lock ${lock}`);
      }
    }
  }
});
