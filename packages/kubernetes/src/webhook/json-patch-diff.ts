/** The JSON patch (RFC 6902) that makes one JSON value of another. Lists that differ in length are replaced whole. */
import type { JsonPatch } from "../client/client.ts";

type Operation = JsonPatch[number];

export function jsonPatchBetween(before: unknown, after: unknown, path = ""): Operation[] {
  if (Array.isArray(before) && Array.isArray(after) && before.length === after.length) {
    return after.flatMap((element, index) => jsonPatchBetween(before[index], element, `${path}/${index}`));
  }
  if (isObject(before) && isObject(after)) {
    const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].toSorted();
    return names.flatMap((name): Operation[] => {
      const place = `${path}/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`;
      const [old, young] = [own(before, name), own(after, name)];
      if (young === undefined) return old === undefined ? [] : [{ op: "remove", path: place }];
      return old === undefined ? [{ op: "add", path: place, value: young }] : jsonPatchBetween(old, young, place);
    });
  }
  if (Object.is(before, after) || (isEmptyList(before) && isEmptyList(after))) return [];
  return [{ op: "replace", path, value: after }];
}

/** Only what is the object's own: JSON may well have a field "__proto__". */
function own(object: Readonly<Record<string, unknown>>, name: string): unknown {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isEmptyList(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0;
}
