/**
 * containerd's refusals, as errors that carry its own gRPC status.
 *
 * A daemon that is away or silent is CONTAINERD_UNAVAILABLE (worth a retry); a full disk is DISK_FULL, whoever notices it.
 */
import { status } from "@grpc/grpc-js";
import { type ErrorCode, PlatformError } from "@liquidmetal/foundation";

/** A call that containerd answered with an error. `status` is the gRPC code. */
export class ContainerdFailure extends PlatformError {
  readonly status: number;

  constructor(code: ErrorCode, grpcStatus: number, message: string, cause: unknown) {
    super(code, message, { cause });
    this.status = grpcStatus;
  }
}

export function isNotFound(error: unknown): boolean {
  return error instanceof ContainerdFailure && error.status === status.NOT_FOUND;
}

export function isAlreadyExists(error: unknown): boolean {
  return error instanceof ContainerdFailure && error.status === status.ALREADY_EXISTS;
}

/** The thing asked for is not configured: an unknown snapshotter, for example. */
export function isInvalidArgument(error: unknown): boolean {
  return error instanceof ContainerdFailure && error.status === status.INVALID_ARGUMENT;
}

export function isFailedPrecondition(error: unknown): boolean {
  return error instanceof ContainerdFailure && error.status === status.FAILED_PRECONDITION;
}

/** Another writer holds this ingest (containerd says so with UNAVAILABLE). */
export function isIngestLocked(error: unknown): boolean {
  return error instanceof ContainerdFailure && /\block(ed)?\b/.test(error.message);
}

/** Turns what grpc-js throws into an error of ours; anything else stays as it is. */
export function containerdFailure(error: unknown, method: string, address: string): unknown {
  if (error instanceof PlatformError) return error;
  const { code, details } = error as { code?: unknown; details?: unknown };
  if (typeof code !== "number") return error;
  const text = typeof details === "string" && details !== "" ? details : String((error as Error).message ?? error);
  const message = `containerd ${method}: ${text}`;
  if (/no space left on device|disk quota exceeded/i.test(text))
    return new ContainerdFailure("DISK_FULL", code, message, error);
  if (code === status.UNAVAILABLE && /\block(ed)?\b/.test(text))
    return new ContainerdFailure("INTERNAL", code, message, error);
  if (code === status.UNAVAILABLE) {
    return new PlatformError("CONTAINERD_UNAVAILABLE", `containerd at ${address} cannot be reached: ${text}`, {
      cause: error,
    });
  }
  if (code === status.DEADLINE_EXCEEDED) {
    return new PlatformError("CONTAINERD_UNAVAILABLE", `containerd at ${address} did not answer in time (${method})`, {
      cause: error,
    });
  }
  // A daemon that dies under a call resets its streams.
  if (code === status.CANCELLED || (code === status.INTERNAL && /RST_STREAM|stream/i.test(text))) {
    return new PlatformError("CONTAINERD_UNAVAILABLE", `containerd at ${address} broke off (${method}): ${text}`, {
      cause: error,
    });
  }
  return new ContainerdFailure("INTERNAL", code, message, error);
}
