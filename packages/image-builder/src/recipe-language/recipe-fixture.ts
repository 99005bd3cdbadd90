/** Recipes for tests: the least that is valid, and how a wrong one is told. */
import { PlatformError } from "@liquidmetal/foundation";
import { files } from "../steps/files/step.ts";
import { parseRecipe, type Recipe, type StepKinds } from "./recipe.ts";

export const kinds: StepKinds = new Map([["files", files as never]]);

const header = {
  name: "test/one",
  title: "A test",
  version: '"1.0"',
  date: "2026-11-01",
  architectures: "[amd64, arm64]",
};
const layers = 'layers:\n  - files: [{path: a, text: "x"}]\n';

/** Header lines may be replaced (`undefined` = left out); `rest` is the text after them, layers included. */
export function recipeText(changes: Readonly<Record<string, string | undefined>> = {}, rest: string = layers): string {
  const lines = Object.entries({ ...header, ...changes }).flatMap(([key, value]) =>
    value === undefined ? [] : [`${key}: ${value}\n`],
  );
  return lines.join("") + rest;
}

export const parse = (text: string): Recipe => parseRecipe(text, "/recipes/one.yaml", kinds, "one.yaml");

/** The problems of a recipe as `line:column: message`, without their code frames. */
export function problemsOf(work: () => unknown): readonly string[] {
  try {
    work();
  } catch (error) {
    if (!(error instanceof PlatformError) || error.code !== "RECIPE_INVALID") throw error;
    const lines = error.message.split("\n").filter((line) => /^\S+:\d+:\d+: /.test(line));
    return lines.map((line) => line.slice(line.indexOf(":") + 1));
  }
  return [];
}
