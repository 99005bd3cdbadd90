/**
 * From what a call threw to what capmvm acts on. Hosts of ours name their failures; upstream's say UNKNOWN and a text, and proxies between say what they
 * like, so there the words decide.
 */
import { type ErrorCode, PlatformError } from "@liquidmetal/foundation";

export type HostCall = "create" | "get" | "list" | "delete" | "watch" | "facts";

const grpcUnknown = 2;
const grpcUnimplemented = 12;

/** Upstream's texts, most telling first. */
const upstreamTexts: readonly (readonly [RegExp, ErrorCode])[] = [
  [/validation failures found|failed on the '[^']*' tag|name is required/, "SPEC_INVALID"],
  [/microvm provider .* isn't available/, "PROVIDER_UNKNOWN"],
  [/not supported by the microvm provider/, "CAPABILITY_MISSING"],
  [/exist(?:ing|s) instance metadata/, "METADATA_INVALID"],
  [/already exists/, "MICROVM_EXISTS"],
  [/no space left/, "DISK_FULL"],
  [/cannot allocate memory|insufficient|not enough/i, "CAPACITY_EXCEEDED"],
  [/(?:image|manifest|reference|pull|resolve).*(?:not found|no such)/i, "IMAGE_NOT_FOUND"],
  [/authorization failed|unauthorized.*(?:pull|image)/i, "IMAGE_UNAUTHORIZED"],
];

/** Whether the host has no such service or method: upstream's flintlock. */
export function isUnimplemented(error: unknown): boolean {
  return (
    error instanceof PlatformError && error.details["grpcStatus"] === grpcUnimplemented && !saidByHttp(error.message)
  );
}

/** `endpoint` is named in failures of the way to the host; what the host itself says is left in its own words. */
export function hostError(error: unknown, call: HostCall, endpoint: string): PlatformError {
  const known = PlatformError.from(error);
  const details = { ...known.details, endpoint };
  const as = (code: ErrorCode, message: string): PlatformError =>
    new PlatformError(code, message, {
      cause: known,
      details,
      ...(code === known.code ? { remedy: known.remedy } : {}),
    });
  const words = known.message === "Connection dropped" ? "the connection was lost" : known.message;
  const named = words.includes(endpoint) ? words : `${endpoint}: ${words}`;
  if (saidByHttp(known.message)) {
    return as("HOST_UNREACHABLE", `${endpoint}: something that is not flintlockd answers there (${known.message})`);
  }
  switch (known.code) {
    case "UNAVAILABLE":
      return as(call === "create" ? "CREATE_UNCERTAIN" : "HOST_UNREACHABLE", named);
    case "DEADLINE_EXCEEDED":
      return as(call === "create" ? "CREATE_UNCERTAIN" : "DEADLINE_EXCEEDED", `${endpoint} did not answer in time`);
    case "UNAUTHENTICATED":
      return as("HOST_REFUSED", named);
    default:
      return known.details["grpcStatus"] === grpcUnknown
        ? as(codeOfText(known, call), known.message)
        : as(known.code, known.message);
  }
}

/** Get and delete: the host has no such microVM. */
export function isGone(error: PlatformError): boolean {
  return error.code === "MICROVM_NOT_FOUND" || (error.code === "INTERNAL" && error.message.includes("not found"));
}

function codeOfText({ code, message }: PlatformError, call: HostCall): ErrorCode {
  if (call === "get" || call === "delete") return code;
  for (const [pattern, named] of upstreamTexts) if (pattern.test(message)) return named;
  // "not found" is about the microVM only where one was asked for.
  return code === "MICROVM_NOT_FOUND" ? "INTERNAL" : code;
}

/** grpc-js words answers that were plain HTTP: a web server, a gateway. */
function saidByHttp(message: string): boolean {
  return message.startsWith("Received HTTP status code");
}
