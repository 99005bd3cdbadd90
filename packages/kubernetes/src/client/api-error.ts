/**
 * What an API server refused, or why it could not be asked: one error for every call of `KubernetesClient`.
 *
 * Branch on `isNotFound` and its like, or on `reason`; never on the text.
 * Source: Kubernetes API conventions, "Response Status Kind"; k8s.io/apimachinery/pkg/api/errors.
 */
import { type ErrorCode, PlatformError } from "@liquidmetal/foundation";

/** One field that the server complained about, from `status.details.causes`. */
export interface ApiErrorCause {
  /** For example "FieldValueRequired", "FieldManagerConflict". */
  readonly reason: string;
  readonly message: string;
  /** As in "spec.vcpu"; "" when the server names none. */
  readonly field: string;
}

export interface ApiErrorOptions {
  /** 0 = no answer came. */
  readonly httpStatus: number;
  /** Kubernetes' reason. Default: what the HTTP status stands for. */
  readonly reason?: string;
  readonly causes?: readonly ApiErrorCause[];
  /** When the server wants to be asked again, milliseconds from now. */
  readonly retryAfterMs?: number;
  /** What was asked, as in "get microvmmachines default/a". */
  readonly operation?: string;
  readonly code?: ErrorCode;
  readonly cause?: unknown;
}

export class ApiError extends PlatformError {
  /** HTTP status of the answer; 0 when none came. */
  readonly httpStatus: number;
  /** As in metav1.StatusReason: "NotFound", "Conflict", "Expired" …; "Unreachable" and "Silent" are ours, for no answer. */
  readonly reason: string;
  readonly causes: readonly ApiErrorCause[];
  readonly retryAfterMs?: number;

  constructor(message: string, options: ApiErrorOptions) {
    const { httpStatus, causes = [], retryAfterMs, operation, cause } = options;
    const reason =
      options.reason !== undefined && options.reason !== "" ? options.reason : reasonOfHttpStatus(httpStatus);
    const code = options.code ?? codeOf(reason);
    super(code, operation === undefined ? message : `${operation}: ${message}`, {
      details: { httpStatus, reason },
      ...(cause === undefined ? {} : { cause }),
    });
    this.httpStatus = httpStatus;
    this.reason = reason;
    this.causes = causes;
    if (retryAfterMs !== undefined) this.retryAfterMs = retryAfterMs;
  }

  /** From a metav1.Status (or anything else that a proxy may have put in its place). */
  static fromStatus(
    httpStatus: number,
    body: unknown,
    context: { readonly operation?: string; readonly retryAfterMs?: number } = {},
  ): ApiError {
    const status = record(body);
    const details = record(status["details"]);
    const message = text(status["message"]) || `the server answered ${httpStatus}`;
    const seconds = details["retryAfterSeconds"];
    const retryAfterMs = context.retryAfterMs ?? (typeof seconds === "number" ? seconds * 1_000 : undefined);
    const causes = Array.isArray(details["causes"]) ? details["causes"].map(causeOf) : [];
    return new ApiError(message, {
      httpStatus,
      reason: text(status["reason"]),
      causes,
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
      ...(context.operation === undefined ? {} : { operation: context.operation }),
    });
  }
}

/** The object, its namespace or its kind is not there (404). */
export function isNotFound(error: unknown): boolean {
  return error instanceof ApiError && error.httpStatus === 404;
}

/** What `read` gives; undefined instead of NotFound. */
export async function ifFound<T>(read: Promise<T>): Promise<T | undefined> {
  try {
    return await read;
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

/** The object was changed by someone else meanwhile, or fields belong to another manager (409, but not "exists already"). */
export function isConflict(error: unknown): boolean {
  return error instanceof ApiError && error.reason === "Conflict";
}

/** An object of this name is there already. */
export function isAlreadyExists(error: unknown): boolean {
  return error instanceof ApiError && error.reason === "AlreadyExists";
}

/** The version to go on from is no longer kept (410): list again. */
export function isExpired(error: unknown): boolean {
  return error instanceof ApiError && (error.reason === "Expired" || error.reason === "Gone");
}

/** The object breaks a rule of its schema or of a webhook (422, or 400 from a webhook). */
export function isInvalid(error: unknown): boolean {
  return error instanceof ApiError && (error.reason === "Invalid" || error.reason === "BadRequest");
}

/** The role bindings do not allow this, or a webhook forbids it (403). */
export function isForbidden(error: unknown): boolean {
  return error instanceof ApiError && error.reason === "Forbidden";
}

const reasons: Readonly<Record<number, string>> = {
  0: "Unreachable",
  400: "BadRequest",
  401: "Unauthorized",
  403: "Forbidden",
  404: "NotFound",
  405: "MethodNotAllowed",
  406: "NotAcceptable",
  409: "Conflict",
  410: "Expired",
  413: "RequestEntityTooLarge",
  415: "UnsupportedMediaType",
  422: "Invalid",
  429: "TooManyRequests",
  500: "InternalError",
  503: "ServiceUnavailable",
  504: "Timeout",
};

function reasonOfHttpStatus(httpStatus: number): string {
  return reasons[httpStatus] ?? "Unknown";
}

const codes: Readonly<Record<string, ErrorCode>> = {
  Unreachable: "KUBERNETES_UNAVAILABLE",
  Silent: "KUBERNETES_UNAVAILABLE",
  ServiceUnavailable: "KUBERNETES_UNAVAILABLE",
  InternalError: "KUBERNETES_UNAVAILABLE",
  ServerTimeout: "KUBERNETES_UNAVAILABLE",
  TooManyRequests: "KUBERNETES_UNAVAILABLE",
  Timeout: "DEADLINE_EXCEEDED",
  NotFound: "OBJECT_NOT_FOUND",
  AlreadyExists: "OBJECT_EXISTS",
  Conflict: "OBJECT_CONFLICT",
  Expired: "POSITION_EXPIRED",
  Gone: "POSITION_EXPIRED",
  Unauthorized: "KUBERNETES_UNAUTHENTICATED",
  Forbidden: "KUBERNETES_FORBIDDEN",
  Unknown: "KUBERNETES_UNAVAILABLE",
};

function codeOf(reason: string): ErrorCode {
  return codes[reason] ?? "OBJECT_INVALID";
}

function causeOf(value: unknown): ApiErrorCause {
  const cause = record(value);
  return { reason: text(cause["reason"]), message: text(cause["message"]), field: text(cause["field"]) };
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? Object.fromEntries(Object.entries(value)) : {};
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}
