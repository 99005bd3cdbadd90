/** The variables of one build: parameters with their defaults, what tables make of them, and the architecture. */
import { PlatformError } from "@liquidmetal/foundation";
import { interpolateText, type Variables } from "./interpolation.ts";
import { type Problem, recipeError } from "./problem.ts";
import type { Recipe } from "./recipe.ts";
import type { RecipeDocument } from "./recipe-document.ts";
import { suggestion } from "./suggestion.ts";

/** Longest value that a caller may give. */
const maxValueLength = 1024;

/** Errors: REQUEST_INVALID names every parameter that is unknown, missing or does not fit; RECIPE_INVALID for a table without a row. */
export function variablesOf(recipe: Recipe, given: Readonly<Record<string, string>>, architecture: string): Variables {
  const variables = new Map([...parametersOf(recipe, given), ["architecture", architecture] as const]);
  const problems: Problem[] = [];
  for (const [index, table] of (recipe.document.tables ?? []).entries()) {
    const value = variables.get(table.by) ?? "";
    const row = longestPrefix(value, Object.keys(table.rows));
    if (row === undefined) {
      const known = Object.keys(table.rows).join(", ");
      const message = `no row is for ${table.by}=${JSON.stringify(value)}; there are ${known}`;
      problems.push({ path: ["tables", index, "rows"], atKey: true, message });
      continue;
    }
    for (const [name, text] of Object.entries(table.rows[row] ?? {})) {
      const path = ["tables", index, "rows", row, name];
      const how = { variables, keepFacts: false, onProblem: (problem: Problem) => problems.push(problem) };
      variables.set(name, interpolateText(text, path, how));
    }
  }
  if (problems.length > 0) throw recipeError(recipe.source, problems);
  return variables;
}

/** The parameters of a recipe with the caller's values and the defaults. */
export function parametersOf(recipe: Recipe, given: Readonly<Record<string, string>>): ReadonlyMap<string, string> {
  const declared = recipe.document.parameters ?? {};
  const wrong: string[] = [];
  for (const name of Object.keys(given).filter((one) => !Object.hasOwn(declared, one))) {
    wrong.push(`there is no parameter ${JSON.stringify(name)}${suggestion(name, Object.keys(declared))}`);
  }
  const values = new Map<string, string>();
  for (const [name, parameter] of Object.entries(declared)) {
    const value = Object.hasOwn(given, name) ? given[name] : parameter.default;
    if (value === undefined) wrong.push(`the parameter ${name} must be given: ${parameter.description}`);
    else if (value.length > maxValueLength)
      wrong.push(`the parameter ${name} has more than ${maxValueLength} characters`);
    else if (!fits(value, parameter.pattern)) {
      wrong.push(`the parameter ${name} is ${JSON.stringify(value)}, which does not fit ${parameter.pattern}`);
    } else values.set(name, value);
  }
  if (wrong.length === 0) return values;
  throw new PlatformError("REQUEST_INVALID", `${recipe.document.name}: ${wrong.join("; ")}`, {
    remedy: "give parameters as --set NAME=VALUE; 'lm image recipes' shows those of each recipe",
    details: { recipe: recipe.document.name, problems: wrong.length },
  });
}

const fits = (value: string, pattern: string | undefined): boolean =>
  pattern === undefined || new RegExp(`^(?:${pattern})$`, "u").test(value);

/** Of `1.36.3`, the longest of the keys `1.36.3`, `1.36`, `1` that there is. */
export function longestPrefix(value: string, keys: readonly string[]): string | undefined {
  const parts = value.split(".");
  for (let length = parts.length; length > 0; length -= 1) {
    const prefix = parts.slice(0, length).join(".");
    if (keys.includes(prefix)) return prefix;
  }
  return undefined;
}

/** What can be said of tables and parameters before there is a value: names that are there twice, rows that lack a variable, defaults that do not fit. */
export function tableProblems(document: Pick<RecipeDocument, "parameters" | "tables">): readonly Problem[] {
  const problems: Problem[] = [];
  const defined = new Set(Object.keys(document.parameters ?? {}));
  for (const [name, { default: value, pattern }] of Object.entries(document.parameters ?? {})) {
    if (value !== undefined && !fits(value, pattern)) {
      problems.push({ path: ["parameters", name, "default"], message: `does not fit the pattern ${pattern}` });
    }
  }
  for (const [index, { by, rows }] of (document.tables ?? []).entries()) {
    if (!defined.has(by)) {
      const message = `there is no parameter ${JSON.stringify(by)}${suggestion(by, [...defined])}`;
      problems.push({ path: ["tables", index, "by"], message });
    }
    const names = new Set(Object.values(rows).flatMap((row) => Object.keys(row)));
    for (const [key, row] of Object.entries(rows)) {
      const path = ["tables", index, "rows", key];
      const lacking = [...names].filter((name) => !Object.hasOwn(row, name));
      if (lacking.length > 0) {
        problems.push({ path, atKey: true, message: `this row lacks ${lacking.join(", ")}, which another row has` });
      }
      for (const name of Object.keys(row).filter((one) => defined.has(one))) {
        problems.push({ path: [...path, name], atKey: true, message: `\${${name}} is defined already` });
      }
    }
    for (const name of names) defined.add(name);
  }
  return problems;
}
