/** Paths of the Kubernetes API. A name that could mean another path, or every object at once, is refused. */
import type { ObjectKey, Resource } from "../object.ts";
import { ApiError } from "./api-error.ts";

/** "/apis/example.org/v1/namespaces/default/widgets"; without a namespace, all namespaces. */
export function collectionPath(kind: Resource, namespace: string | undefined): string {
  const root = kind.group === "" ? `/api/${kind.version}` : `/apis/${kind.group}/${kind.version}`;
  if (!kind.namespaced || namespace === undefined) return `${root}/${kind.plural}`;
  return `${root}/namespaces/${segment(kind, "namespace", namespace)}/${kind.plural}`;
}

/** "/apis/example.org/v1/namespaces/default/widgets/a/status" */
export function objectPath(kind: Resource, key: ObjectKey, subresource = ""): string {
  const path = `${collectionPath(kind, key.namespace)}/${segment(kind, "name", key.name)}`;
  return subresource === "" ? path : `${path}/${subresource}`;
}

/** "?a=1&b=2" of what is not undefined. */
export function query(parameters: Readonly<Record<string, string | number | boolean | undefined>>): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) if (value !== undefined) search.set(name, String(value));
  return search.size === 0 ? "" : `?${search}`;
}

function segment(kind: Resource, what: string, value: string): string {
  if (value !== "" && value !== "." && value !== ".." && !/[/%]/.test(value)) return encodeURIComponent(value);
  const message = value === "" ? `a ${what} is needed` : `"${value}" cannot be a ${what}`;
  throw new ApiError(message, { httpStatus: 400, reason: "BadRequest", operation: kind.plural });
}
