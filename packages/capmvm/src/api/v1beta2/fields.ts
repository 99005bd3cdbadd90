/**
 * Parts that the schemas of all kinds are made of: bounded texts, numbers and maps, conditions.
 *
 * Every text, list and map has a bound: the API server estimates the cost of CEL rules from them, and refuses what it cannot bound.
 */
import { type Condition, listMap } from "@liquidmetal/kubernetes";
import { z } from "zod";

/** Text of `min` to `max` characters. */
export function text(max: number, min = 1): z.ZodString {
  return z.string().min(min).max(max);
}

/** A whole number. Both bounds are part of the schema. */
export function whole(minimum: number, maximum: number): z.ZodInt32 {
  return z.int32().min(minimum).max(maximum);
}

/** Mark of an object that says at least one thing, or is left out. */
export function notEmpty(): Record<string, unknown> {
  return { minProperties: 1 };
}

/** Labels or annotations inside a spec. */
export const stringMap: z.ZodType<Readonly<Record<string, string>>> = z
  .record(z.string(), z.string().max(4_096))
  .meta({ maxProperties: 64 });

/** metav1.Condition, at most 32 of them, one a type. */
export const conditionList: z.ZodType<readonly Condition[]> = z
  .array(
    z.object({
      type: text(316)
        .regex(
          /^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$/,
        )
        .describe("Type of the condition, in CamelCase."),
      status: z.enum(["True", "False", "Unknown"]).describe("Status of the condition."),
      reason: text(1_024)
        .regex(/^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$/)
        .describe("Why the status is what it is, in CamelCase."),
      message: z.string().max(32_768).describe("The same for people."),
      lastTransitionTime: z.iso.datetime({ offset: true }).describe("When the status last changed."),
      observedGeneration: z
        .int()
        .min(0)
        .describe("metadata.generation that the condition was set for.")
        .exactOptional(),
    }),
  )
  .max(32)
  .meta(listMap("type"))
  .describe("What is so and what is waited for, each with its reason.");
