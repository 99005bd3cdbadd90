/** Failures as the gateway answers them: `{code, message, details}` with gRPC's number, and the HTTP status that belongs to it. */
import { errorCodeKey, errorText, grpcStatus, grpcStatusOf, httpStatusOf } from "@liquidmetal/api";
import { PlatformError } from "@liquidmetal/foundation";
import type { FastifyReply } from "fastify";

export interface HttpFailure {
  readonly status: number;
  readonly body: { readonly code: number; readonly message: string; readonly details: readonly never[] };
  readonly headers: Readonly<Record<string, string>>;
}

export const notFound: HttpFailure = plain(404, grpcStatus.NOT_FOUND, "Not Found");
export const wrongMethod: HttpFailure = plain(501, grpcStatus.UNIMPLEMENTED, "Method Not Allowed");

export function failureOf(error: unknown, onDefect: (error: unknown) => void): HttpFailure {
  if (error instanceof PlatformError) {
    const status = httpStatusOf(error.code);
    return {
      status,
      body: { code: grpcStatus[grpcStatusOf(error.code)], message: errorText(error), details: [] },
      headers: {
        [errorCodeKey]: error.code,
        ...(status === 401 ? { "www-authenticate": 'Basic realm="flintlock", Bearer realm="flintlock"' } : {}),
      },
    };
  }
  // Fastify's own refusals (body too large, malformed request) carry a status below 500.
  if (
    error instanceof Error &&
    "statusCode" in error &&
    typeof error.statusCode === "number" &&
    error.statusCode < 500
  ) {
    const tooLarge = error.statusCode === 413;
    return plain(
      error.statusCode,
      tooLarge ? grpcStatus.RESOURCE_EXHAUSTED : grpcStatus.INVALID_ARGUMENT,
      error.message,
    );
  }
  onDefect(error);
  return plain(500, grpcStatus.INTERNAL, "internal error");
}

export function sendFailure(reply: FastifyReply, failure: HttpFailure): FastifyReply {
  return reply.code(failure.status).headers(failure.headers).send(failure.body);
}

function plain(status: number, code: number, message: string): HttpFailure {
  return { status, body: { code, message, details: [] }, headers: {} };
}
