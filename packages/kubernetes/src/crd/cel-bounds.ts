/**
 * CEL rules whose cost has no bound, found before the API server refuses the CRD for it.
 *
 * The API server multiplies a rule's cost by how often its place can occur (lists and maps above it) and estimates what it touches at its largest. A list
 * without `maxItems`, a map without `maxProperties` or a text without `maxLength` counts as megabytes. This check is stricter than the estimate in
 * one way (a bare comparison of an unbounded text would just pass) and blunter in others: the server has the last word.
 */
import type { StructuralSchema } from "./structural-schema.ts";

/** One line for each list, map or text that a rule depends on and that has no limit; empty = none. */
export function unboundedInRules(schema: StructuralSchema): string[] {
  const found = new Set<string>();
  visit(schema, "", [], found);
  return [...found].toSorted();
}

function visit(schema: StructuralSchema, path: string, unboundedAbove: readonly string[], found: Set<string>): void {
  const rules = schema["x-kubernetes-validations"] ?? [];
  for (const { rule } of rules) {
    for (const above of unboundedAbove) found.add(above);
    for (const touched of touchedBy(rule)) {
      const end = descend(schema, path, touched);
      if (end !== undefined) for (const name of unboundedHere(end.schema, end.path)) found.add(name);
    }
    if (!/\bself\s*\./.test(rule)) {
      for (const name of unboundedHere(schema, path)) found.add(name);
    }
  }
  const here = isUnboundedContainer(schema) ? [...unboundedAbove, describe(schema, path)] : unboundedAbove;
  for (const [name, property] of Object.entries(schema.properties ?? {}))
    visit(property, `${path}.${name}`, here, found);
  if (schema.items !== undefined) visit(schema.items, `${path}[]`, here, found);
  if (schema.additionalProperties !== undefined) visit(schema.additionalProperties, `${path}{}`, here, found);
}

/** `self.a.b` and `oldSelf.a` in a rule, as lists of steps. `has(…)` costs nothing. */
function touchedBy(rule: string): string[][] {
  const costly = rule.replace(/\bhas\([^()]*\)/g, "true");
  return [...costly.matchAll(/\b(?:self|oldSelf)((?:\s*\.\s*\??\s*[A-Za-z_]\w*)+)/g)].map((match) =>
    (match[1] ?? "")
      .split(".")
      .map((step) => step.replace(/[\s?]/g, ""))
      .filter((step) => step !== ""),
  );
}

/** The schema at the end of the steps; method names at the end (`size`, `all`) are no fields. */
function descend(
  schema: StructuralSchema,
  path: string,
  steps: readonly string[],
): { readonly schema: StructuralSchema; readonly path: string } | undefined {
  let end = { schema, path };
  for (const step of steps) {
    const next = end.schema.properties?.[step];
    if (next === undefined) return end.schema === schema ? undefined : end;
    end = { schema: next, path: `${end.path}.${step}` };
  }
  return end;
}

function unboundedHere(schema: StructuralSchema, path: string): string[] {
  const own =
    isUnboundedContainer(schema) ||
    (schema.type === "string" &&
      schema.maxLength === undefined &&
      schema.enum === undefined &&
      !["date-time", "date", "duration"].includes(schema.format ?? ""));
  return [
    ...(own ? [describe(schema, path)] : []),
    ...(schema.items === undefined ? [] : unboundedHere(schema.items, `${path}[]`)),
    ...(schema.additionalProperties === undefined ? [] : unboundedHere(schema.additionalProperties, `${path}{}`)),
    ...Object.entries(schema.type === "object" ? {} : (schema.properties ?? {})).flatMap(([name, property]) =>
      unboundedHere(property, `${path}.${name}`),
    ),
  ];
}

function isUnboundedContainer(schema: StructuralSchema): boolean {
  return (
    (schema.type === "array" && schema.maxItems === undefined) ||
    (schema.additionalProperties !== undefined && schema.maxProperties === undefined)
  );
}

function describe(schema: StructuralSchema, path: string): string {
  const limit = schema.type === "array" ? "maxItems" : schema.type === "string" ? "maxLength" : "maxProperties";
  return `${path.replace(/^\./, "")} has no ${limit}`;
}
