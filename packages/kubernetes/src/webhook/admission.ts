/**
 * The contract of admission webhooks, as those who write rules see it: typed objects in, defaults or a verdict out.
 *
 * Source: admission.k8s.io/v1 and v1beta1 (the same on the wire); Kubernetes "Dynamic Admission Control".
 */
import type { KubernetesObject } from "../object.ts";

export type AdmissionOperation = "CREATE" | "UPDATE" | "DELETE" | "CONNECT";

export interface AdmissionContext {
  readonly operation: AdmissionOperation;
  /** Nothing will be stored: no side effects, and no verdict that only a real write deserves. */
  readonly dryRun: boolean;
  readonly userInfo: { readonly username: string; readonly uid: string; readonly groups: readonly string[] };
  readonly namespace: string;
  /** May be "" for generated names. */
  readonly name: string;
  /** "" or for example "status". */
  readonly subResource: string;
  /** Of the object as the webhook sees it; with `matchPolicy: Equivalent` the client's may be another. */
  readonly kind: { readonly group: string; readonly version: string; readonly kind: string };
  /** Aborted when the API server no longer waits. */
  readonly signal: AbortSignal;
}

export interface FieldError {
  /** As in "spec.placement.staticPool". */
  readonly field: string;
  readonly type:
    | "FieldValueRequired"
    | "FieldValueInvalid"
    | "FieldValueForbidden"
    | "FieldValueDuplicate"
    | "FieldValueNotSupported";
  readonly message: string;
}

/** Shown by kubectl and by every client that shows warnings, also when the object is let in. At most 120 characters each read well. */
export interface AdmissionVerdict {
  /** Any of them refuses the object, with 422 Invalid. */
  readonly errors?: readonly FieldError[];
  /** Refuses the object with another status. */
  readonly denied?: { readonly code: number; readonly reason: string; readonly message: string };
  readonly warnings?: readonly string[];
}

/** Gives the object with defaults in it: a new one, or the same when all is there. What differs goes to the API server as a JSON patch. */
export type Defaulter<T extends KubernetesObject> = (object: T, context: AdmissionContext) => T | Promise<T>;

/** On DELETE there is no `object`, on CREATE no `old`. Undefined lets the object in. */
export type Validator<T extends KubernetesObject> = (
  object: T | undefined,
  old: T | undefined,
  context: AdmissionContext,
) => AdmissionVerdict | undefined | Promise<AdmissionVerdict | undefined>;
