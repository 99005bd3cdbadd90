/**
 * Would this apply change anything? Answered from what is there, so that a reconcile which finds all as wanted writes nothing.
 *
 * Two questions: does the object hold every wanted value, and does the manager own nothing that is no longer wanted? The second is answered from the
 * manager's own entry in `managedFields`: let caches keep it (`keepOwnManagedFields`). Where it is missing, a status has to be exactly as wanted (one write
 * too many when others write to it too, never one too few), while for the rest only what is wanted counts.
 *
 * Lists are compared in order, except those whose elements have a unique type, name or endpoint (the server may keep them in another order).
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
  if (entries === undefined) return part.subresource !== "status" || !hasMore(actual["status"], wanted["status"] ?? {});
  const own = entries.find(
    (entry) => isOwn(entry, part.fieldManager) && (entry["subresource"] ?? "") === part.subresource,
  );
  // Who owns nothing yet has to apply once to own it, unless nothing is wanted.
  if (own === undefined) return Object.keys(wanted).length === 0;
  return stillWanted(fieldsOf(own["fieldsV1"]), wanted);
}

/** For caches, as their `transform`: of `managedFields` only what `fieldManager` applied is kept, which is all that the check needs. */
export function keepOwnManagedFields<T extends KubernetesObject>(fieldManager: string): (object: T) => T {
  return (object) => {
    const entries = object.metadata?.managedFields as readonly Fields[] | undefined;
    if (entries === undefined) return object;
    const own = entries.filter((entry) => isOwn(entry, fieldManager)).map(shared);
    return { ...object, metadata: { ...object.metadata, managedFields: own } };
  };
}

/** Different sets of fields that are shared at once. */
const sharedMax = 1_000;
const sharedFields = new Map<string, Fields>();

/**
 * The entry without its time, its set of fields shared with all objects that have the same: of a thousand objects a manager owns the same fields, and such a
 * set takes more memory than the object itself.
 */
function shared({ manager, operation, subresource, fieldsV1 }: Fields): Fields {
  const text = JSON.stringify(fieldsV1 ?? {});
  const known = sharedFields.get(text) ?? fieldsOf(fieldsV1);
  if (sharedFields.size >= sharedMax) sharedFields.clear();
  sharedFields.set(text, known);
  return { manager, operation, ...(subresource === undefined ? {} : { subresource }), fieldsV1: known };
}

function isOwn(entry: Fields, fieldManager: string): boolean {
  return entry["manager"] === fieldManager && entry["operation"] === "Apply";
}

/** Every wanted value is there; fields beside them are nobody's business here. */
function holds(actual: unknown, wanted: unknown, name = ""): boolean {
  if (wanted === undefined) return true;
  // The server may leave out what is empty.
  if (actual === undefined) return isEmpty(wanted);
  if (Array.isArray(wanted)) {
    if (!Array.isArray(actual)) return false;
    if (name === "finalizers") return wanted.every((one) => actual.includes(one));
    if (name === "ownerReferences") return wanted.every((one) => actual.some((other) => holds(other, one)));
    const key = keyOfElements(wanted, actual);
    if (key === undefined)
      return wanted.length === actual.length && wanted.every((one, index) => equal(actual[index], one));
    return wanted.every((one) =>
      actual.some((other) => fieldsOf(other)[key] === fieldsOf(one)[key] && holds(other, one)),
    );
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

/** There is something beside what is wanted. */
function hasMore(actual: unknown, wanted: unknown): boolean {
  if (Array.isArray(actual) && Array.isArray(wanted)) {
    const key = keyOfElements(wanted, actual);
    if (key === undefined || actual.length > wanted.length) return actual.length > wanted.length;
    return actual.some((one) =>
      hasMore(
        one,
        wanted.find((other) => fieldsOf(other)[key] === fieldsOf(one)[key]),
      ),
    );
  }
  if (!isObject(actual) || !isObject(wanted)) return false;
  return Object.entries(actual).some(([name, value]) => wanted[name] === undefined || hasMore(value, wanted[name]));
}

const elementKeys = ["type", "name", "endpoint", "id"] as const;

/** The field by which the elements of both lists are told apart, if they are. */
function keyOfElements(a: readonly unknown[], b: readonly unknown[]): string | undefined {
  const tellsApart = (list: readonly unknown[], key: string): boolean =>
    list.every((element) => isObject(element) && typeof element[key] === "string") &&
    new Set(list.map((element) => fieldsOf(element)[key])).size === list.length;
  return elementKeys.find((key) => tellsApart(a, key) && tellsApart(b, key));
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

function isEmpty(value: unknown): boolean {
  return Array.isArray(value) ? value.length === 0 : isObject(value) && Object.keys(value).length === 0;
}

function isObject(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function fieldsOf(value: unknown): Fields {
  return isObject(value) ? value : {};
}
