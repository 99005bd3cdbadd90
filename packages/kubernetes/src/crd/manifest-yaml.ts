/** Kubernetes objects as YAML files that do not change unless their content does. */
import { stringify } from "yaml";

/** Keys are sorted, apiVersion, kind and metadata stand first; long lines stay whole; documents are divided by `---`. */
export function manifestYaml(...objects: readonly object[]): string {
  return objects.map((object) => `---\n${document(object)}`).join("");
}

const first: readonly string[] = ["apiVersion", "kind", "metadata"];

function document(object: object): string {
  const entries = Object.entries(object).toSorted(([a], [b]) => rank(a) - rank(b) || (a < b ? -1 : 1));
  return entries
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) =>
      stringify({ [key]: value }, { sortMapEntries: true, lineWidth: 0, aliasDuplicateObjects: false }),
    )
    .join("");
}

function rank(key: string): number {
  const index = first.indexOf(key);
  return index < 0 ? first.length : index;
}
