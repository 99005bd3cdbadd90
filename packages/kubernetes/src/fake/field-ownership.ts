/**
 * Which manager owns which field: server-side apply as far as controllers need it.
 *
 * A field set is a set of paths; a path is written as JSON of its steps in the notation of fieldsV1 ("f:name", "k:{keys}", "v:value").
 * Lists are atomic unless they are known to be a set or to have keys. Source: sigs.k8s.io/structured-merge-diff.
 */
import { isDeepStrictEqual } from "node:util";
import { isJsonObject, type JsonObject, type JsonValue } from "./json.ts";

export type FieldSet = ReadonlySet<string>;

export interface FieldManager {
  readonly name: string;
  readonly operation: "Apply" | "Update";
  readonly subresource: string;
  readonly fields: FieldSet;
}

/** How a list is merged: "set" of scalars, or the names of the fields that tell its items apart. Path as in "status.conditions". */
export type ListKeys = (path: string) => "set" | readonly string[] | undefined;

/** Paths of every leaf that `object` states, without what no manager owns (apiVersion, kind, name, uid …). */
export function fieldsOf(object: JsonObject, listKeys: ListKeys): FieldSet {
  const fields = new Set<string>();
  const collect = (value: JsonValue, steps: readonly string[], path: string): void => {
    const keys = Array.isArray(value) ? listKeys(path) : undefined;
    if (Array.isArray(value) && keys !== undefined && value.length > 0) {
      for (const item of value) {
        const itemSteps = [...steps, stepOf(item, keys)];
        fields.add(JSON.stringify(itemSteps));
        if (isJsonObject(item))
          for (const [name, of] of Object.entries(item)) collect(of, [...itemSteps, `f:${name}`], "");
      }
    } else if (isJsonObject(value) && Object.keys(value).length > 0) {
      for (const [name, of] of Object.entries(value)) {
        const childPath = path === "" ? name : `${path}.${name}`;
        if (!unowned.has(childPath)) collect(of, [...steps, `f:${name}`], childPath);
      }
    } else if (steps.length > 0) fields.add(JSON.stringify(steps));
  };
  collect(object, [], "");
  return fields;
}

/** `live` with every field that `configuration` states set to its value. */
export function mergeStated(
  live: JsonValue | undefined,
  configuration: JsonValue,
  listKeys: ListKeys,
  path = "",
): JsonValue {
  if (Array.isArray(configuration)) {
    const keys = listKeys(path);
    if (keys === undefined || !Array.isArray(live)) return configuration;
    const merged = [...live];
    for (const item of configuration) {
      const step = stepOf(item, keys);
      const index = merged.findIndex((existing) => stepOf(existing, keys) === step);
      if (index < 0) merged.push(item);
      else merged[index] = mergeStated(merged[index], item, () => undefined);
    }
    return merged;
  }
  if (!isJsonObject(configuration)) return configuration;
  const merged: Record<string, JsonValue> = isJsonObject(live) ? { ...live } : {};
  for (const [name, value] of Object.entries(configuration)) {
    merged[name] = mergeStated(merged[name], value, listKeys, path === "" ? name : `${path}.${name}`);
  }
  return merged;
}

/** `object` without the fields at `paths`; maps and lists that become empty go too. */
export function withoutFields(object: JsonObject, paths: Iterable<string>, listKeys: ListKeys): JsonObject {
  let result = object;
  for (const path of paths) {
    const left = removeAt(result, stepsOf(path), listKeys, "");
    result = isJsonObject(left) ? left : {};
  }
  return result;
}

/** What stands at `path` in `object`; undefined when nothing does. */
export function valueAt(object: JsonValue | undefined, path: string, listKeys: ListKeys): JsonValue | undefined {
  let value: JsonValue | undefined = object;
  let name = "";
  for (const step of stepsOf(path)) {
    if (step.startsWith("f:")) {
      name = name === "" ? step.slice(2) : `${name}.${step.slice(2)}`;
      value = isJsonObject(value) ? value[step.slice(2)] : undefined;
    } else {
      const keys = listKeys(name);
      value =
        Array.isArray(value) && keys !== undefined ? value.find((item) => stepOf(item, keys) === step) : undefined;
    }
  }
  return value;
}

/** Paths of `fields` whose value is not the same in `before` and `after`. */
export function changedFields(
  before: JsonObject | undefined,
  after: JsonObject,
  fields: FieldSet,
  listKeys: ListKeys,
): ReadonlySet<string> {
  const isItem = (path: string): boolean => !(stepsOf(path).at(-1) ?? "").startsWith("f:");
  const changed = new Set<string>();
  for (const path of fields) {
    const old = valueAt(before, path, listKeys);
    const now = valueAt(after, path, listKeys);
    // A list item itself is either there or not; its fields are compared one by one.
    const same = isItem(path) ? (old === undefined) === (now === undefined) : isDeepStrictEqual(old, now);
    if (!same) changed.add(path);
  }
  return changed;
}

export function intersection(a: FieldSet, b: FieldSet): FieldSet {
  return new Set([...a].filter((path) => b.has(path)));
}

export function difference(a: FieldSet, b: FieldSet): FieldSet {
  return new Set([...a].filter((path) => !b.has(path)));
}

/** The path itself, or something inside of it: what was empty and now holds something is still there. */
export function holds(fields: FieldSet, path: string): boolean {
  const inside = `${path.slice(0, -1)},`;
  return fields.has(path) || [...fields].some((other) => other.startsWith(inside));
}

/** The nested form of `metadata.managedFields`. */
export function fieldsV1(fields: FieldSet): JsonObject {
  const root: Record<string, JsonValue> = {};
  for (const path of fields) {
    let level = root;
    const steps = stepsOf(path);
    for (const step of steps) {
      const next = level[step];
      const child: Record<string, JsonValue> = isJsonObject(next) ? next : {};
      level[step] = child;
      level = child;
    }
    if ((steps.at(-1) ?? "").startsWith("k:")) level["."] = {};
  }
  return root;
}

const unowned: ReadonlySet<string> = new Set([
  "apiVersion",
  "kind",
  ...["name", "namespace", "generateName", "uid", "resourceVersion", "generation", "creationTimestamp", "selfLink"].map(
    (name) => `metadata.${name}`,
  ),
  ...["deletionTimestamp", "deletionGracePeriodSeconds", "managedFields"].map((name) => `metadata.${name}`),
]);

function removeAt(value: JsonValue, steps: readonly string[], listKeys: ListKeys, path: string): JsonValue | undefined {
  const [step = "", ...rest] = steps;
  if (Array.isArray(value)) {
    const keys = listKeys(path);
    if (keys === undefined) return value;
    const left = value.flatMap((item) => {
      if (stepOf(item, keys) !== step) return [item];
      const kept = rest.length === 0 ? undefined : removeAt(item, rest, () => undefined, "");
      return kept === undefined ? [] : [kept];
    });
    return left.length === 0 ? undefined : left;
  }
  if (!isJsonObject(value) || !step.startsWith("f:")) return value;
  const name = step.slice(2);
  const { [name]: child, ...left } = value;
  if (child === undefined) return value;
  const kept = rest.length === 0 ? undefined : removeAt(child, rest, listKeys, path === "" ? name : `${path}.${name}`);
  if (kept !== undefined) return { ...value, [name]: kept };
  return Object.keys(left).length === 0 ? undefined : left;
}

function stepOf(item: JsonValue, keys: "set" | readonly string[]): string {
  if (keys === "set" || !isJsonObject(item)) return `v:${JSON.stringify(item)}`;
  return `k:${JSON.stringify(Object.fromEntries(keys.map((key) => [key, item[key] ?? null])))}`;
}

function stepsOf(path: string): readonly string[] {
  const steps: unknown = JSON.parse(path);
  return Array.isArray(steps) ? steps.map(String) : [];
}
