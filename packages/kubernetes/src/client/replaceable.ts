/** What an object must carry so that it can replace the stored one without overwriting what the writer has not seen. */
import { type KubernetesObject, keyOf, type ObjectKey, type Resource } from "../object.ts";
import { ApiError } from "./api-error.ts";

/** The key of `object`. Throws ApiError Invalid without a name, a version, or (for namespaced kinds) a namespace. */
export function checkReplaceable<T extends KubernetesObject>(kind: Resource<T>, object: T): ObjectKey {
  const key = keyOf(object);
  const missing = [
    ...(key.name === "" ? ["name"] : []),
    ...(kind.namespaced && key.namespace === "" ? ["namespace"] : []),
    ...((object.metadata?.resourceVersion ?? "") === "" ? ["resourceVersion"] : []),
  ];
  if (missing.length === 0) return key;
  throw new ApiError(`metadata.${missing.join(" and metadata.")}: must be specified for an update`, {
    httpStatus: 422,
    reason: "Invalid",
    operation: `replace ${kind.plural} ${key.namespace}/${key.name}`,
  });
}
