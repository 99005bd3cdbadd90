/**
 * One watch over HTTP: a stream of JSON lines, from a version on.
 *
 * Proof of liveness: a stream that gives no byte for `silenceMs` (the server sends a bookmark about every minute) is broken off, because a
 * connection whose other end is gone looks just like one on which nothing happens.
 */
import { type Clock, PlatformError, type Timer } from "@liquidmetal/foundation";
import { apiVersionOf, type KubernetesObject, type Resource } from "../object.ts";
import { ApiError } from "./api-error.ts";
import type { WatchEvent } from "./client.ts";
import { connectionFault } from "./connection-fault.ts";
import { LineDecoder } from "./line-decoder.ts";
import { refusal } from "./response-body.ts";
import type { Transport } from "./transport.ts";

export interface WatchStreamOptions<T extends KubernetesObject> {
  readonly transport: Transport;
  readonly clock: Clock;
  readonly resource: Resource<T>;
  /** With its query. */
  readonly path: string;
  readonly operation: string;
  readonly silenceMs: number;
  /** Largest event, bytes. */
  readonly eventLimitBytes: number;
  readonly signal: AbortSignal | undefined;
}

/** An answer to the opening of a watch comes at once, or the server is in trouble. */
const openTimeoutMs = 30_000;

export async function* watchStream<T extends KubernetesObject>(
  options: WatchStreamOptions<T>,
): AsyncGenerator<WatchEvent<T>> {
  const { transport, clock, signal, silenceMs, operation } = options;
  signal?.throwIfAborted();
  const liveness = new Liveness(clock, operation);
  const ending = signal === undefined ? liveness.signal : AbortSignal.any([signal, liveness.signal]);
  try {
    liveness.expect(openTimeoutMs);
    const response = await opened(transport, options.path, operation, ending);
    liveness.expect(silenceMs);
    const lines = new LineDecoder(options.eventLimitBytes);
    for await (const chunk of response.body) {
      liveness.expect(silenceMs);
      for (const line of lines.push(chunk)) yield eventOf(line, options.resource, operation);
    }
  } catch (error) {
    signal?.throwIfAborted();
    if (liveness.signal.aborted) throw liveness.signal.reason;
    if (error instanceof PlatformError) throw error;
    throw connectionFault(error, transport.server, operation).error;
  } finally {
    liveness[Symbol.dispose]();
  }
}

async function opened(transport: Transport, path: string, operation: string, signal: AbortSignal) {
  for (let attempt = 1; ; attempt++) {
    const response = await transport.send({ method: "GET", path, signal, purpose: "watch" });
    if (response.statusCode === 200) return response;
    const error = await refusal(response, operation);
    if (attempt > 1 || response.statusCode !== 401 || !(await transport.renew())) throw error;
  }
}

function eventOf<T extends KubernetesObject>(line: Buffer, resource: Resource<T>, operation: string): WatchEvent<T> {
  const { type, object } = read<T>(line, operation);
  switch (type) {
    case "ADDED":
    case "MODIFIED":
    case "DELETED":
      return { type, object: { ...object, apiVersion: apiVersionOf(resource), kind: resource.kind } };
    case "BOOKMARK":
      return { type, resourceVersion: object.metadata?.resourceVersion ?? "" };
    case "ERROR": {
      const code: unknown = "code" in object ? object.code : undefined;
      throw ApiError.fromStatus(typeof code === "number" ? code : 500, object, { operation });
    }
    default:
      throw new ApiError(`an event of unknown type "${type}" came`, { httpStatus: 200, reason: "Unknown", operation });
  }
}

function read<T extends KubernetesObject>(
  line: Buffer,
  operation: string,
): { readonly type: string; readonly object: T } {
  try {
    return JSON.parse(line.toString("utf8"));
  } catch (error) {
    throw new ApiError("the server sent something that is not JSON", {
      httpStatus: 200,
      reason: "Unknown",
      operation,
      cause: error,
    });
  }
}

class Liveness implements Disposable {
  readonly #clock: Clock;
  readonly #operation: string;
  readonly #silent: AbortController = new AbortController();
  #timer: Timer | undefined;
  #waitMs = 0;
  #heardAtMs = 0;

  constructor(clock: Clock, operation: string) {
    this.#clock = clock;
    this.#operation = operation;
  }

  get signal(): AbortSignal {
    return this.#silent.signal;
  }

  /** Something was heard: the next must come within `waitMs`. One timer serves many calls. */
  expect(waitMs: number): void {
    this.#heardAtMs = this.#clock.monotonicMs();
    if (waitMs === this.#waitMs) return;
    this.#waitMs = waitMs;
    this.#timer?.cancel();
    this.#timer = this.#clock.timer(waitMs, () => this.#check());
  }

  [Symbol.dispose](): void {
    this.#timer?.cancel();
  }

  #check(): void {
    const restMs = this.#heardAtMs + this.#waitMs - this.#clock.monotonicMs();
    if (restMs > 0) {
      this.#timer = this.#clock.timer(restMs, () => this.#check());
      return;
    }
    const message = `nothing came for ${this.#waitMs} ms, not even a bookmark`;
    this.#silent.abort(new ApiError(message, { httpStatus: 0, reason: "Silent", operation: this.#operation }));
  }
}
