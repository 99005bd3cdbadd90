/**
 * What happens to calls on their way in and out: counted, delayed, failed, never answered, done and their answer lost.
 *
 * It stands before the handlers as an interceptor, so it knows every method alike, streams too, and nothing of what they do.
 */
import {
  Metadata,
  ResponderBuilder,
  ServerInterceptingCall,
  type ServerInterceptor,
  ServerListenerBuilder,
  type StatusObject,
} from "@grpc/grpc-js";
import { type GrpcStatusName, grpcStatus } from "@liquidmetal/api";
import { statusOf } from "@liquidmetal/api/server";
import { type Clock, type ErrorCode, PlatformError } from "@liquidmetal/foundation";

/** Of the catalogue (as ours fail) or a bare status and text (as upstream and proxies fail). */
export type CallFailure =
  | { readonly code: ErrorCode; readonly message: string }
  | { readonly status: GrpcStatusName; readonly message: string };

export interface FailureOptions {
  /** How many calls fail; Infinity for all. Default 1. */
  readonly times?: number;
  /** How many calls pass before. Default 0. */
  readonly after?: number;
  /** The host does what it is asked, and the failure comes instead of the answer. */
  readonly applied?: boolean;
}

interface Rule {
  readonly method: string;
  readonly failure: CallFailure | "silence";
  readonly applied: boolean;
  passing: number;
  left: number;
}

type Status = Pick<StatusObject, "code" | "details" | "metadata">;

export class CallScript {
  /** Milliseconds that a call of this method (`CreateMicroVM`, or `*` for the others) waits before it is looked at. */
  readonly latencyMs: Map<string, number> = new Map();
  /** Calls by method, since the start. */
  readonly counts: Map<string, number> = new Map();
  /** Awaited before the handler sees the call (throwing fails it), and before its status goes out. */
  before: ((method: string) => void | Promise<void>) | undefined;
  after: ((method: string) => void | Promise<void>) | undefined;
  readonly #clock: Clock;
  #rules: Rule[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  count(method: string): number {
    return this.counts.get(method) ?? 0;
  }

  fail(method: string, failure: CallFailure, options: FailureOptions = {}): void {
    this.#add(method, failure, options);
  }

  /** The call is taken and never answered. */
  silence(method: string, options: FailureOptions = {}): void {
    this.#add(method, "silence", options);
  }

  /** Nothing fails, waits or is lost any more. */
  clear(): void {
    this.#rules = [];
    this.latencyMs.clear();
    this.before = undefined;
    this.after = undefined;
  }

  readonly interceptor: ServerInterceptor = (definition, call) => {
    const method = definition.path.slice(definition.path.lastIndexOf("/") + 1);
    this.counts.set(method, this.count(method) + 1);
    const rule = this.#next(method);
    const failure = rule?.failure;
    const refuse = (): void => {
      if (failure !== undefined && failure !== "silence") call.sendStatus(asStatus(failure, definition.path));
    };
    const lost = rule?.applied === true;
    const listener = new ServerListenerBuilder()
      .withOnReceiveHalfClose((next) => {
        void this.#arrive(method).then(
          () => (rule === undefined || lost ? next() : refuse()),
          (error: unknown) => call.sendStatus(thrown(error, definition.path)),
        );
      })
      .build();
    const responder = new ResponderBuilder().withStart((next) => next(listener));
    // The status waits for the message to be passed on, so what takes the answer's place is sent from here.
    if (lost) responder.withSendMessage(refuse);
    responder.withSendStatus((status, next) => {
      if (lost) refuse();
      else void Promise.resolve(this.after?.(method)).then(() => next(status));
    });
    return new ServerInterceptingCall(call, responder.build());
  };

  #add(method: string, failure: Rule["failure"], { times = 1, after = 0, applied = false }: FailureOptions): void {
    this.#rules.push({ method, failure, applied, passing: after, left: times });
  }

  #next(method: string): Rule | undefined {
    for (const rule of this.#rules) {
      if (rule.method !== method && rule.method !== "*") continue;
      if (rule.passing > 0) {
        rule.passing--;
        continue;
      }
      if (rule.left <= 0) continue;
      rule.left--;
      return rule;
    }
    return undefined;
  }

  async #arrive(method: string): Promise<void> {
    await this.before?.(method);
    const delayMs = this.latencyMs.get(method) ?? this.latencyMs.get("*") ?? 0;
    if (delayMs > 0) await new Promise<void>((resolve) => this.#clock.timer(delayMs, resolve));
  }
}

function asStatus(failure: CallFailure, path: string): Status {
  if ("code" in failure) return thrown(new PlatformError(failure.code, failure.message), path);
  return { code: grpcStatus[failure.status], details: failure.message, metadata: new Metadata() };
}

function thrown(error: unknown, path: string): Status {
  return statusOf(error, path, { onDefect: () => undefined });
}
