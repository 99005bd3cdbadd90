/**
 * Marks for zod schemas that only the API server understands, to be given to `.meta(…)`: list types, CEL rules, int-or-string.
 *
 * Source: Kubernetes, "Extend the Kubernetes API with CustomResourceDefinitions" (structural schemas, merge strategy, validation rules).
 */
import { z } from "zod";

/** One validation rule in CEL. `self` is the value at the place of the mark, `oldSelf` the one before an update. */
export interface CelRule {
  readonly rule: string;
  readonly message?: string;
  /** CEL that gives the message. */
  readonly messageExpression?: string;
  readonly reason?: "FieldValueInvalid" | "FieldValueForbidden" | "FieldValueRequired" | "FieldValueDuplicate";
  /** Relative path of the field to blame, as in ".host". */
  readonly fieldPath?: string;
  /** The rule runs also when there is no old value; `oldSelf` is then an optional. */
  readonly optionalOldSelf?: boolean;
}

/** A list of objects that is merged by these keys (server-side apply): each key is required in, or has a default in, the element. */
export function listMap(...keys: readonly string[]): Record<string, unknown> {
  return { "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": keys };
}

/** A list of unique scalars. */
export function listSet(): Record<string, unknown> {
  return { "x-kubernetes-list-type": "set" };
}

/** A list, or an object, that is owned and replaced as a whole. */
export function atomicList(): Record<string, unknown> {
  return { "x-kubernetes-list-type": "atomic" };
}

export function atomicMap(): Record<string, unknown> {
  return { "x-kubernetes-map-type": "atomic" };
}

export function rules(...validations: readonly CelRule[]): Record<string, unknown> {
  return { "x-kubernetes-validations": validations };
}

/** Fields that the schema does not name are kept instead of pruned. */
export function preserveUnknownFields(): Record<string, unknown> {
  return { "x-kubernetes-preserve-unknown-fields": true };
}

/** A number or a text, as in `maxUnavailable: 25%`. */
export function intOrString(): z.ZodType<number | string> {
  return z.union([z.int(), z.string().max(64)]).meta({ "x-kubernetes-int-or-string": true });
}
