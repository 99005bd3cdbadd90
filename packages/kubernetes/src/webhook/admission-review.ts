/**
 * An AdmissionReview answered: in the version and with the uid that it came with, whatever happens to the handler.
 *
 * A handler that throws is a defect of ours, not of the object: the answer says 500 with what went wrong, and the API server acts by its failurePolicy.
 */
import { PlatformError } from "@liquidmetal/foundation";
import { z } from "zod";
import type { KubernetesObject } from "../object.ts";
import type { AdmissionContext, AdmissionVerdict, Defaulter, Validator } from "./admission.ts";
import { jsonPatchBetween } from "./json-patch-diff.ts";

const reviewSchema = z.object({
  apiVersion: z.enum(["admission.k8s.io/v1", "admission.k8s.io/v1beta1"]),
  kind: z.literal("AdmissionReview"),
  request: z.object({
    uid: z.string().min(1),
    kind: z.object({ group: z.string(), version: z.string(), kind: z.string() }),
    operation: z.enum(["CREATE", "UPDATE", "DELETE", "CONNECT"]),
    name: z.string().default(""),
    namespace: z.string().default(""),
    subResource: z.string().default(""),
    dryRun: z.boolean().default(false),
    userInfo: z
      .object({
        username: z.string().default(""),
        uid: z.string().default(""),
        groups: z.array(z.string()).default([]),
      })
      .prefault({}),
    object: z.looseObject({}).nullish(),
    oldObject: z.looseObject({}).nullish(),
  }),
});

export interface AdmissionResponse {
  readonly uid: string;
  readonly allowed: boolean;
  readonly status?: {
    readonly status: "Failure";
    readonly code: number;
    readonly reason: string;
    readonly message: string;
    readonly details?: unknown;
  };
  readonly patchType?: "JSONPatch";
  /** Base64. */
  readonly patch?: string;
  readonly warnings?: readonly string[];
}

export interface AdmissionReviewAnswer {
  readonly apiVersion: string;
  readonly kind: "AdmissionReview";
  readonly response: AdmissionResponse;
}

type Answer = Omit<AdmissionResponse, "uid">;
type Request = z.infer<typeof reviewSchema>["request"];

/** Throws `REQUEST_INVALID` when it is no review; `onDefect` hears what a handler threw. */
export async function answerDefaulting<T extends KubernetesObject>(
  review: unknown,
  defaulter: Defaulter<T>,
  signal: AbortSignal,
  onDefect: (error: unknown) => void,
): Promise<AdmissionReviewAnswer> {
  return answer(review, signal, onDefect, async (request, context) => {
    if (request.object === undefined || request.object === null) return { allowed: true };
    const given = request.object as T;
    const complete = await defaulter(structuredClone(given), context);
    const patch = jsonPatchBetween(given, JSON.parse(JSON.stringify(complete)));
    if (patch.length === 0) return { allowed: true };
    return { allowed: true, patchType: "JSONPatch", patch: Buffer.from(JSON.stringify(patch)).toString("base64") };
  });
}

/** As `answerDefaulting`. */
export async function answerValidating<T extends KubernetesObject>(
  review: unknown,
  validator: Validator<T>,
  signal: AbortSignal,
  onDefect: (error: unknown) => void,
): Promise<AdmissionReviewAnswer> {
  return answer(review, signal, onDefect, async (request, context) => {
    const present = (value: unknown): T | undefined => (value === null ? undefined : (value as T | undefined));
    const verdict = await validator(present(request.object), present(request.oldObject), context);
    return judged(verdict ?? {}, request);
  });
}

async function answer(
  review: unknown,
  signal: AbortSignal,
  onDefect: (error: unknown) => void,
  decide: (request: Request, context: AdmissionContext) => Promise<Answer>,
): Promise<AdmissionReviewAnswer> {
  const read = reviewSchema.safeParse(review);
  if (!read.success) {
    throw new PlatformError("REQUEST_INVALID", `this is no AdmissionReview: ${z.prettifyError(read.error)}`);
  }
  const { apiVersion, request } = read.data;
  const { operation, dryRun, userInfo, namespace, name, subResource, kind } = request;
  const context = { operation, dryRun, userInfo, namespace, name, subResource, kind, signal };
  let response: Answer;
  try {
    response = await decide(request, context);
  } catch (error) {
    onDefect(error);
    response = refused(500, "InternalError", `the webhook failed: ${PlatformError.from(error).message}`);
  }
  return { apiVersion, kind: "AdmissionReview", response: { uid: request.uid, ...response } };
}

function judged({ errors = [], denied, warnings = [] }: AdmissionVerdict, request: Request): Answer {
  const warned = warnings.length === 0 ? {} : { warnings };
  if (denied !== undefined) return { ...refused(denied.code, denied.reason, denied.message), ...warned };
  if (errors.length === 0) return { allowed: true, ...warned };
  const { group, kind } = request.kind;
  const said = errors.map(({ field, type, message }) => `${field}: ${texts[type]}: ${message}`);
  const message = `${kind}.${group} "${request.name}" is invalid: ${said.length === 1 ? said[0] : `[${said.join(", ")}]`}`;
  const causes = errors.map(({ field, type, message: text }) => ({ reason: type, message: text, field }));
  return { ...refused(422, "Invalid", message, { name: request.name, group, kind, causes }), ...warned };
}

const texts = {
  FieldValueRequired: "Required value",
  FieldValueInvalid: "Invalid value",
  FieldValueForbidden: "Forbidden",
  FieldValueDuplicate: "Duplicate value",
  FieldValueNotSupported: "Unsupported value",
} as const;

function refused(code: number, reason: string, message: string, details?: unknown): Answer {
  const status = { status: "Failure", code, reason, message, ...(details === undefined ? {} : { details }) } as const;
  return { allowed: false, status };
}
