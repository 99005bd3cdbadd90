/**
 * `${…}` in the strings of a recipe. `$${` stands for `${`, so that shell scripts can be written.
 *
 * A variable that is not known is an error: an empty string in a path or a version would build something else than was meant.
 */
import type { Problem } from "./problem.ts";
import type { Path } from "./recipe-text.ts";
import { nearest } from "./suggestion.ts";

export type Variables = ReadonlyMap<string, string>;

export interface Interpolation {
  readonly variables: Variables;
  /** Leaves `${facts.…}` as it is: the facts are not known yet. */
  readonly keepFacts: boolean;
  readonly onProblem: (problem: Problem) => void;
}

const pattern = /\$\$\{|\$\{([^{}]*)(\}?)/g;
const factName = /^facts\.[A-Za-z][A-Za-z0-9-]*$/;

/** A copy of `value` in which every string, and every key, has its variables replaced. */
export function interpolate(value: unknown, path: Path, how: Interpolation): unknown {
  if (typeof value === "string") return interpolateText(value, path, how);
  if (Array.isArray(value)) return value.map((item, index) => interpolate(item, [...path, index], how));
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).map(([key, inner]) => [
    interpolateText(key, [...path, key], how),
    interpolate(inner, [...path, key], how),
  ]);
  return Object.fromEntries(entries);
}

export function interpolateText(text: string, path: Path, how: Interpolation): string {
  return text.replace(pattern, (whole, name: string | undefined, end: string | undefined) => {
    // An escape is only taken off at the end: in the last round there are no facts to keep.
    if (name === undefined) return how.keepFacts ? whole : "${";
    if (how.keepFacts && end === "}" && factName.test(name)) return whole;
    const value = end === "}" ? how.variables.get(name.replace(/^parameters\./, "")) : undefined;
    // A variable's value is no template: what looks like one in it stays text.
    if (value !== undefined) return how.keepFacts ? value.replaceAll("${", () => "$${") : value;
    how.onProblem({ path, message: unknown(whole, name, end === "}", how.variables) });
    return whole;
  });
}

function unknown(whole: string, name: string, closed: boolean, variables: Variables): string {
  if (!closed) return `${JSON.stringify(whole)} has no "}"; write $\${ where \${ itself is meant`;
  const match = nearest(name, variables.keys());
  const known = [...variables.keys()].join(", ");
  const hint = match === undefined ? `known: ${known}` : `did you mean \${${match}}?`;
  return `unknown variable \${${name}} (${hint}); write $\${${name}} where \${${name}} itself is meant`;
}
