/** JSON values, as the fake API server handles objects inside. */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject;

export interface JsonObject {
  readonly [name: string]: JsonValue;
}

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** What is left of `value` after a journey over the wire: a deep copy without undefined fields. */
export function overTheWire(value: unknown): JsonObject {
  const copy: unknown = JSON.parse(JSON.stringify(value));
  if (!isJsonObject(copy)) throw new TypeError("a Kubernetes object is a JSON object");
  return copy;
}

/** The object at `name`; empty when there is none. */
export function objectAt(parent: JsonObject, name: string): JsonObject {
  const child = parent[name];
  return isJsonObject(child) ? child : {};
}

/** The text at `name`; empty when there is none. */
export function textAt(parent: JsonObject, name: string): string {
  const child = parent[name];
  return typeof child === "string" ? child : "";
}

/** The texts in the list at `name`. */
export function textsAt(parent: JsonObject, name: string): readonly string[] {
  const child = parent[name];
  return Array.isArray(child) ? child.filter((item) => typeof item === "string") : [];
}
