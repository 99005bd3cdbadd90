/**
 * Parts that the schemas of all kinds are made of: bounded texts, lists and maps, and the extensions of OpenAPI that Kubernetes knows (list maps, rules in CEL).
 *
 * Every text, list and map has a bound: the API server estimates the cost of CEL rules from them, and refuses what it cannot bound.
 */
import type { Condition } from "@liquidmetal/kubernetes";
import { z } from "zod";

/** Text of `min` to `max` characters. */
export function text(max: number, min = 1): z.ZodString {
  return z.string().min(min).max(max);
}

/** A whole number. Both bounds are part of the schema. */
export function whole(minimum: number, maximum: number): z.ZodNumber {
  return z.int().min(minimum).max(maximum);
}

/** A rule in CEL over `self` (and `oldSelf`: then it is asked on updates only). */
export interface CelRule {
  readonly rule: string;
  readonly message: string;
  readonly fieldPath?: string;
  readonly reason?: "FieldValueInvalid" | "FieldValueForbidden" | "FieldValueRequired" | "FieldValueDuplicate";
}

export function rules<T extends z.ZodType>(schema: T, ...list: readonly CelRule[]): T {
  return schema.meta({ ...schema.meta(), "x-kubernetes-validations": list });
}

/** A list whose items are told apart by a field: server-side apply merges them one by one, and a second item of the same key is refused. */
export function listMap<T extends z.ZodType>(schema: T, ...keys: readonly string[]): T {
  return schema.meta({ ...schema.meta(), "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": keys });
}

/** A list that is written as a whole. */
export function atomicList<T extends z.ZodType>(schema: T): T {
  return schema.meta({ ...schema.meta(), "x-kubernetes-list-type": "atomic" });
}

/** An object that says at least one thing, or is left out. */
export function notEmpty<T extends z.ZodType>(schema: T): T {
  return schema.meta({ ...schema.meta(), minProperties: 1 });
}

/** Labels or annotations inside a spec. */
export const stringMap: z.ZodType<Readonly<Record<string, string>>> = z
  .record(z.string(), z.string().max(4_096))
  .meta({ maxProperties: 64 });

/** metav1.Condition, at most 32 of them, one a type. */
export const conditionList: z.ZodType<readonly Condition[]> = listMap(
  z
    .array(
      z.object({
        type: text(316).describe("Type of the condition, in CamelCase."),
        status: z.enum(["True", "False", "Unknown"]).describe("Status of the condition."),
        reason: text(1_024).describe("Why the status is what it is, in CamelCase."),
        message: z.string().max(32_768).describe("The same for people."),
        lastTransitionTime: z.iso.datetime({ offset: true }).describe("When the status last changed."),
        observedGeneration: z
          .int()
          .min(0)
          .describe("metadata.generation that the condition was set for.")
          .exactOptional(),
      }),
    )
    .max(32),
  "type",
).describe("What is so and what is waited for, each with its reason.");
