/**
 * Runs one call to its end: sends it, repeats it while that is safe and the deadline allows, and turns what went wrong into `ApiError`.
 *
 * A call that may be repeated even if it was carried out (reads, apply, replace with a version, delete) is repeated after 429, 502, 503, 504, after
 * 500 with Retry-After, and after a broken connection; any other only when it surely was not carried out: 429, or no connection came about.
 */
import {
  backoffDelayMs,
  type Clock,
  type Entropy,
  PlatformError,
  Semaphore,
  sleep,
  withDeadline,
} from "@liquidmetal/foundation";
import type { Dispatcher } from "undici";
import { ApiError } from "./api-error.ts";
import type { ClientObserver } from "./client-observer.ts";
import { connectionFault } from "./connection-fault.ts";
import { readBody, refusal } from "./response-body.ts";
import type { Transport, TransportRequest } from "./transport.ts";

export interface Call {
  readonly method: TransportRequest["method"];
  readonly path: string;
  readonly body?: string;
  readonly contentType?: string;
  /** As in "get widgets default/a"; begins error texts. */
  readonly operation: string;
  /** Carried out twice is as once. */
  readonly repeatable: boolean;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

export interface CallRunnerOptions {
  readonly transport: Transport;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly observer: ClientObserver;
  /** Calls at once; the rest wait in line. */
  readonly connections: number;
  /** Largest answer, bytes. */
  readonly answerLimitBytes: number;
}

/** More calls than this in line means that someone makes them faster than any server answers. */
const lineMax = 10_000;
const backoff = { baseMs: 200, capMs: 5_000 };
/** On top of what the server wishes, so that those who were sent away together do not come back together. */
const afterWish = { baseMs: 100, capMs: 1_000 };

interface Failure {
  readonly error: ApiError;
  readonly again: boolean;
}

export class CallRunner {
  readonly #options: CallRunnerOptions;
  readonly #places: Semaphore;

  constructor(options: CallRunnerOptions) {
    this.#options = options;
    this.#places = new Semaphore(options.connections, lineMax);
  }

  /** The body of the successful answer. */
  async run(call: Call): Promise<Buffer> {
    const { clock } = this.#options;
    const { timeoutMs, signal, operation } = call;
    const last: { error?: ApiError } = {};
    using _alive = this.#options.transport.hold();
    try {
      return await withDeadline(
        { clock, timeoutMs, waitingFor: operation, ...(signal === undefined ? {} : { signal }) },
        (ending) => this.#attempts(call, ending, clock.monotonicMs() + timeoutMs, last),
      );
    } catch (error) {
      const isLate =
        error instanceof PlatformError && error.code === "DEADLINE_EXCEEDED" && !(error instanceof ApiError);
      if (!isLate) throw error;
      throw late(operation, timeoutMs, last.error, error);
    }
  }

  async #attempts(call: Call, signal: AbortSignal, endsAtMs: number, last: { error?: ApiError }): Promise<Buffer> {
    const { clock, entropy, observer } = this.#options;
    let renewed = false;
    for (let attempt = 1; ; attempt++) {
      // From here on, why it was refused before says nothing about whether it is carried out now.
      if (!call.repeatable) delete last.error;
      const result = await this.#places.run(() => this.#once(call, signal), signal);
      if (result instanceof Uint8Array) return Buffer.from(result.buffer, result.byteOffset, result.byteLength);
      const { error, again } = result;
      last.error = error;
      if (!renewed && mayBeCredentials(error)) {
        renewed = true;
        if (await this.#options.transport.renew()) continue;
      }
      if (!again) throw error;
      const wishMs = error.retryAfterMs;
      const growing = backoffDelayMs(attempt, entropy.fraction(), wishMs === undefined ? backoff : afterWish);
      const delayMs = (wishMs ?? 0) + growing;
      // Nothing is gained by waiting for a repetition that comes after the deadline.
      if (clock.monotonicMs() + delayMs >= endsAtMs) throw error;
      observer.onRepeat?.({ operation: call.operation, reason: error.reason, delayMs });
      await sleep(clock, delayMs, signal);
    }
  }

  async #once(call: Call, signal: AbortSignal): Promise<Buffer | Failure> {
    const { transport, answerLimitBytes, observer, clock } = this.#options;
    const startedMs = clock.monotonicMs();
    const seen = (status: number): void =>
      observer.onCall?.({
        method: call.method,
        host: transport.server,
        status,
        durationMs: clock.monotonicMs() - startedMs,
      });
    const { method, path, body, contentType, operation } = call;
    let response: Dispatcher.ResponseData | undefined;
    try {
      const content = {
        ...(body === undefined ? {} : { body }),
        ...(contentType === undefined ? {} : { contentType }),
      };
      response = await transport.send({ method, path, ...content, signal, purpose: "call" });
      this.#warn(response);
      if (response.statusCode >= 300) {
        const error = await refusal(response, operation);
        seen(response.statusCode);
        return { error, again: wantsAgain(error, call.repeatable) };
      }
      const answer = await readBody(response, answerLimitBytes);
      seen(response.statusCode);
      return answer;
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof PlatformError) throw error;
      seen(0);
      const fault = connectionFault(error, transport.server, operation);
      const safe = call.repeatable || (response === undefined && !fault.mayHaveActed);
      return { error: fault.error, again: safe && !fault.isCertificate };
    }
  }

  #warn(response: Dispatcher.ResponseData): void {
    const { observer } = this.#options;
    const header = response.headers["warning"];
    if (header === undefined || observer.onWarning === undefined) return;
    for (const line of Array.isArray(header) ? header : [header]) {
      // RFC 7234: 299 - "text", with quotes inside escaped.
      for (const [, text = ""] of line.matchAll(/299 \S+ "((?:[^"\\]|\\.)*)"/g)) {
        observer.onWarning(text.replaceAll(/\\(.)/g, "$1"));
      }
    }
  }
}

/** What kept the call from being answered until its deadline says more than that the deadline came. */
function late(operation: string, timeoutMs: number, last: ApiError | undefined, cause: unknown): ApiError {
  if (last === undefined) {
    const message = `waited ${timeoutMs} ms, and no answer came`;
    return new ApiError(message, { httpStatus: 0, reason: "Timeout", operation, cause });
  }
  const { message, httpStatus, reason, code, causes } = last;
  return new ApiError(`${message} (given up after ${timeoutMs} ms)`, { httpStatus, reason, code, causes, cause: last });
}

function wantsAgain(error: ApiError, repeatable: boolean): boolean {
  if (error.httpStatus === 429) return true;
  if (!repeatable) return false;
  return [502, 503, 504].includes(error.httpStatus) || (error.httpStatus === 500 && error.retryAfterMs !== undefined);
}

function mayBeCredentials(error: ApiError): boolean {
  return error.httpStatus === 401 || (error.httpStatus === 0 && connectionFault(error.cause, "", "").isCertificate);
}
