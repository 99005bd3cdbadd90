/**
 * One table each: from a failure to its gRPC status, HTTP status and exit code.
 *
 * The kind of a failure decides; the few codes whose kind says too little have a row of their own. HTTP follows grpc-gateway's own mapping, so
 * that upstream's HTTP clients see what they know.
 */
import { type ErrorCode, type ErrorKind, errorCatalogue, PlatformError } from "@liquidmetal/foundation";

/** The status codes of gRPC, by name. */
export const grpcStatus = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const;

export type GrpcStatusName = keyof typeof grpcStatus;

const statusOfKind: Readonly<Record<ErrorKind, GrpcStatusName>> = {
  invalid: "INVALID_ARGUMENT",
  "not-found": "NOT_FOUND",
  conflict: "ABORTED",
  exhausted: "RESOURCE_EXHAUSTED",
  precondition: "FAILED_PRECONDITION",
  unsupported: "FAILED_PRECONDITION",
  unauthenticated: "UNAUTHENTICATED",
  unavailable: "UNAVAILABLE",
  deadline: "DEADLINE_EXCEEDED",
  cancelled: "CANCELLED",
  internal: "INTERNAL",
};

const statusOfCode: Partial<Readonly<Record<ErrorCode, GrpcStatusName>>> = {
  MICROVM_EXISTS: "ALREADY_EXISTS",
  POSITION_EXPIRED: "OUT_OF_RANGE",
  // The registry refuses this host; the caller itself is who he says.
  IMAGE_UNAUTHORIZED: "PERMISSION_DENIED",
};

const httpOfStatus: Readonly<Record<GrpcStatusName, number>> = {
  OK: 200,
  CANCELLED: 499,
  UNKNOWN: 500,
  INVALID_ARGUMENT: 400,
  DEADLINE_EXCEEDED: 504,
  NOT_FOUND: 404,
  ALREADY_EXISTS: 409,
  PERMISSION_DENIED: 403,
  RESOURCE_EXHAUSTED: 429,
  FAILED_PRECONDITION: 400,
  ABORTED: 409,
  OUT_OF_RANGE: 400,
  UNIMPLEMENTED: 501,
  INTERNAL: 500,
  UNAVAILABLE: 503,
  DATA_LOSS: 500,
  UNAUTHENTICATED: 401,
};

const exitOfKind: Readonly<Record<ErrorKind, number>> = {
  invalid: 2,
  "not-found": 3,
  conflict: 4,
  precondition: 4,
  deadline: 5,
  unauthenticated: 6,
  exhausted: 1,
  unsupported: 1,
  unavailable: 1,
  cancelled: 1,
  internal: 1,
};

/** The catalogue's code for a status that came without one (another server, a proxy). */
const codeOfStatus: Readonly<Record<GrpcStatusName, ErrorCode>> = {
  OK: "INTERNAL",
  CANCELLED: "CANCELLED",
  UNKNOWN: "INTERNAL",
  INVALID_ARGUMENT: "REQUEST_INVALID",
  DEADLINE_EXCEEDED: "DEADLINE_EXCEEDED",
  NOT_FOUND: "MICROVM_NOT_FOUND",
  ALREADY_EXISTS: "MICROVM_EXISTS",
  PERMISSION_DENIED: "UNAUTHENTICATED",
  RESOURCE_EXHAUSTED: "CAPACITY_EXCEEDED",
  FAILED_PRECONDITION: "PHASE_CONFLICT",
  ABORTED: "MICROVM_DELETING",
  OUT_OF_RANGE: "POSITION_EXPIRED",
  UNIMPLEMENTED: "CAPABILITY_MISSING",
  INTERNAL: "INTERNAL",
  UNAVAILABLE: "UNAVAILABLE",
  DATA_LOSS: "INTERNAL",
  UNAUTHENTICATED: "UNAUTHENTICATED",
};

export function grpcStatusOf(code: ErrorCode): GrpcStatusName {
  return statusOfCode[code] ?? statusOfKind[errorCatalogue[code].kind];
}

export function httpStatusOf(code: ErrorCode): number {
  return httpOfStatus[grpcStatusOf(code)];
}

/** 1 failure, 2 usage, 3 not found, 4 conflict, 5 timeout, 6 unauthorised. */
export function exitCodeOf(code: ErrorCode): number {
  return exitOfKind[errorCatalogue[code].kind];
}

/** Trailing metadata (gRPC) and headers (HTTP) that carry the catalogue's code, so that clients can branch on it. */
export const errorCodeKey = "liquidmetal-error-code";
/** The remedy as UTF-8; binary metadata, since it is not bound to ASCII. */
export const errorRemedyKey = "liquidmetal-error-remedy-bin";

/** Longer texts are cut: a status travels percent-encoded in HTTP/2 headers, and some peers take no more than 8 KiB of them. */
const encodedMax = 7_000;

/** Message and remedy as one text, for clients that know nothing but the text. */
export function errorText(error: PlatformError): string {
  const hint = error.remedy === "" ? "" : ` (hint: ${error.remedy})`;
  // A lone surrogate cannot be encoded, so a pair that is cut in two is mended.
  let message = error.message.slice(0, encodedMax).toWellFormed();
  for (;;) {
    const text = `${message}${hint}`.toWellFormed();
    const encoded = encodeURI(text).length;
    if (encoded <= encodedMax || message.length <= 1) return text;
    const keep = Math.floor((message.length * encodedMax) / encoded) - 2;
    message = `${message.slice(0, Math.max(keep, 0)).toWellFormed()}…`;
  }
}

/** The way back: a platform error from what came over the wire. */
export function errorFromWire(status: number, text: string, code?: string, remedy?: string): PlatformError {
  const cause = { details: { grpcStatus: status } };
  if (code !== undefined && isErrorCode(code)) {
    const hint = remedy === undefined ? "" : ` (hint: ${remedy})`;
    const message = hint !== "" && text.endsWith(hint) ? text.slice(0, -hint.length) : text;
    return new PlatformError(code, message, remedy === undefined ? cause : { ...cause, remedy });
  }
  // Upstream's servers say UNKNOWN for nearly everything; its own clients look for these words.
  const gone = status === grpcStatus.UNKNOWN && text.includes("not found");
  return new PlatformError(gone ? "MICROVM_NOT_FOUND" : codeOfStatus[grpcStatusName(status)], text, cause);
}

export function grpcStatusName(status: number): GrpcStatusName {
  for (const [name, number] of Object.entries(grpcStatus)) if (number === status && isStatusName(name)) return name;
  return "UNKNOWN";
}

function isStatusName(name: string): name is GrpcStatusName {
  return Object.hasOwn(grpcStatus, name);
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(errorCatalogue, code);
}
