/**
 * The one error of the whole system. Branch on `code`, never on the text.
 *
 * `details` go to logs and clients: never put secrets there. `cause` goes to logs only.
 */
import { type ErrorKind, errorCatalogue, type RetryPolicy } from "./error-catalogue.ts";
import type { ErrorCode } from "./error-code.ts";

export type ErrorDetails = Readonly<Record<string, string | number | boolean>>;

export interface PlatformErrorOptions {
  readonly cause?: unknown;
  readonly details?: ErrorDetails;
  /** Overrides the catalogue's default. */
  readonly retry?: RetryPolicy;
  /** Overrides the catalogue's default: what the reader can do about it. */
  readonly remedy?: string;
}

export class PlatformError extends Error {
  override readonly name = "PlatformError";
  readonly code: ErrorCode;
  readonly retry: RetryPolicy;
  readonly remedy: string;
  readonly details: ErrorDetails;

  constructor(code: ErrorCode, message: string, options: PlatformErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    const entry = errorCatalogue[code];
    this.code = code;
    this.retry = options.retry ?? entry.retry;
    this.remedy = options.remedy ?? entry.remedy;
    this.details = options.details ?? {};
  }

  get kind(): ErrorKind {
    return errorCatalogue[this.code].kind;
  }

  /** Normalises anything caught. An `AbortError` becomes `CANCELLED`; what is already ours stays as it is. */
  static from(caught: unknown, code: ErrorCode = "INTERNAL", context?: string): PlatformError {
    if (caught instanceof PlatformError) return caught;
    const text = caught instanceof Error ? caught.message : String(caught);
    const actual = caught instanceof Error && caught.name === "AbortError" ? "CANCELLED" : code;
    return new PlatformError(actual, context === undefined ? text : `${context}: ${text}`, { cause: caught });
  }
}
