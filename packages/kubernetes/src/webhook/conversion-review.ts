/**
 * A ConversionReview answered: all objects converted, in order, or none and the reason why.
 *
 * Source: apiextensions.k8s.io/v1 ConversionReview: "If the conversion of any object fails, the whole request fails; partial results are not accepted".
 */
import { setImmediate } from "node:timers/promises";
import { PlatformError } from "@liquidmetal/foundation";
import { z } from "zod";
import type { KubernetesObject } from "../object.ts";

/** Gives the object in the wanted version ("group/version"); metadata may change in labels and annotations only. Throws when it cannot. */
export type Converter = (object: KubernetesObject, desiredApiVersion: string) => KubernetesObject;

const reviewSchema = z.object({
  apiVersion: z.literal("apiextensions.k8s.io/v1"),
  kind: z.literal("ConversionReview"),
  request: z.object({
    uid: z.string().min(1),
    desiredAPIVersion: z.string().min(1),
    objects: z.array(z.looseObject({})).default([]),
  }),
});

export interface ConversionReviewAnswer {
  readonly apiVersion: string;
  readonly kind: "ConversionReview";
  readonly response: {
    readonly uid: string;
    readonly result: { readonly status: "Success" | "Failure"; readonly message?: string };
    readonly convertedObjects: readonly KubernetesObject[];
  };
}

/** Objects converted before other work gets its turn: a list of thousands must not hold up health checks. */
const objectsAtOnce = 100;

/** Throws `REQUEST_INVALID` when it is no review. */
export async function answerConversion(
  review: unknown,
  convert: Converter,
  signal: AbortSignal,
): Promise<ConversionReviewAnswer> {
  const read = reviewSchema.safeParse(review);
  if (!read.success) {
    throw new PlatformError("REQUEST_INVALID", `this is no ConversionReview: ${z.prettifyError(read.error)}`);
  }
  const { apiVersion, request } = read.data;
  const { uid, desiredAPIVersion, objects } = request;
  const convertedObjects: KubernetesObject[] = [];
  const failures: string[] = [];
  for (const [index, object] of (objects as KubernetesObject[]).entries()) {
    if (index % objectsAtOnce === objectsAtOnce - 1) {
      await setImmediate();
      signal.throwIfAborted();
    }
    try {
      convertedObjects.push(checked(convert(object, desiredAPIVersion), object, desiredAPIVersion));
    } catch (error) {
      const { namespace = "", name = "" } = object.metadata ?? {};
      failures.push(`${object.kind} ${namespace}/${name}: ${PlatformError.from(error).message}`);
    }
  }
  if (failures.length === 0) {
    return { apiVersion, kind: "ConversionReview", response: { uid, result: { status: "Success" }, convertedObjects } };
  }
  const more = failures.length > 10 ? `; and ${failures.length - 10} more` : "";
  const message = `${failures.length} of ${objects.length} objects cannot be converted to ${desiredAPIVersion}: ${failures.slice(0, 10).join("; ")}${more}`;
  const result = { status: "Failure", message } as const;
  return { apiVersion, kind: "ConversionReview", response: { uid, result, convertedObjects: [] } };
}

function checked(converted: KubernetesObject, object: KubernetesObject, desired: string): KubernetesObject {
  if (converted.apiVersion !== desired || converted.kind !== object.kind) {
    throw new PlatformError("INTERNAL", `the conversion gave ${converted.kind} of ${converted.apiVersion}`);
  }
  return converted;
}
