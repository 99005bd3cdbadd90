/**
 * Would this apply change anything? Answered from what is there, so that a reconcile which finds all as wanted writes nothing.
 *
 * Two questions: does the object hold every wanted value, and does the manager own nothing that is no longer wanted? The second is answered from
 * `managedFields`; where a cache has dropped them, from the top-level fields that are there and not wanted (then one write too many is possible,
 * never one too few). Lists are compared whole, but `conditions` by type (others may own conditions beside ours).
 *
 * Source: Kubernetes server-side apply, FieldsV1 ("f:" field, "k:" element by key, "v:" element by value, "." the thing itself).
 */
import type { KubernetesObject } from "../object.ts";

type Fields = Readonly<Record<string, unknown>>;

export interface OwnedPart {
  readonly fieldManager: string;
  /** "" = the object itself. */
  readonly subresource: string;
}

/** `wanted` holds the top-level fields that the manager applies, as in `{ status: … }`. */
export function isApplied(object: KubernetesObject, wanted: Fields, part: OwnedPart): boolean {
  const actual = object as Fields;
  if (!Object.entries(wanted).every(([name, value]) => holds(actual[name], value))) return false;
  const entries = object.metadata?.managedFields as readonly Fields[] | undefined;
  if (entries === undefined || entries.length === 0) {
    return Object.entries(wanted).every(([name, value]) => name === "metadata" || !hasMore(actual[name], value));
  }
  const own = entries.find(
    (entry) =>
      entry["manager"] === part.fieldManager &&
      entry["operation"] === "Apply" &&
      (entry["subresource"] ?? "") === part.subresource,
  );
  return own !== undefined && stillWanted(fieldsOf(own["fieldsV1"]), wanted);
}

/** Every wanted value is there; fields beside them are nobody's business here. */
function holds(actual: unknown, wanted: unknown, name = ""): boolean {
  if (wanted === undefined) return true;
  if (Array.isArray(wanted)) {
    if (!Array.isArray(actual)) return false;
    if (name === "conditions")
      return wanted.every((one) => actual.some((other) => sameType(one, other) && holds(other, one)));
    if (name === "finalizers") return wanted.every((one) => actual.includes(one));
    if (name === "ownerReferences") return wanted.every((one) => actual.some((other) => holds(other, one)));
    return wanted.length === actual.length && wanted.every((one, index) => equal(actual[index], one));
  }
  if (isObject(wanted)) {
    return isObject(actual) && Object.entries(wanted).every(([key, value]) => holds(actual[key], value, key));
  }
  return Object.is(actual, wanted);
}

/** Both say the same, in all depths; a field that is undefined is not there. */
export function equal(a: unknown, b: unknown): boolean {
  if (Array.isArray(a))
    return Array.isArray(b) && a.length === b.length && a.every((one, index) => equal(one, b[index]));
  if (!isObject(a) || !isObject(b)) return Object.is(a, b);
  const names = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...names].every((name) => equal(a[name], b[name]));
}

function hasMore(actual: unknown, wanted: unknown): boolean {
  return isObject(actual) && isObject(wanted) && Object.keys(actual).some((name) => wanted[name] === undefined);
}

/** Everything in the set of owned fields is still part of `wanted`. */
function stillWanted(owned: Fields, wanted: unknown): boolean {
  return Object.entries(owned).every(([step, below]) => {
    if (step === ".") return true;
    const next = take(step, wanted);
    return next !== undefined && stillWanted(fieldsOf(below), next);
  });
}

function take(step: string, wanted: unknown): unknown {
  const name = step.slice(2);
  switch (step.slice(0, 2)) {
    case "f:":
      return isObject(wanted) ? wanted[name] : undefined;
    case "k:": {
      const keys = fieldsOf(parsed(name));
      return Array.isArray(wanted) ? wanted.find((element) => isObject(element) && holds(element, keys)) : undefined;
    }
    case "v:": {
      const value = parsed(name);
      return Array.isArray(wanted) ? wanted.find((element) => equal(element, value)) : undefined;
    }
    default:
      return wanted;
  }
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

function sameType(a: unknown, b: unknown): boolean {
  return isObject(a) && isObject(b) && a["type"] === b["type"];
}

function isObject(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function fieldsOf(value: unknown): Fields {
  return isObject(value) ? value : {};
}
