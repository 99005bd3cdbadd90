/**
 * What a test tells the fake API server to do wrong, and what it asks about the calls that were made.
 *
 * A crash matrix uses `onCall`: a hook that throws before a call keeps it from having an effect; one that throws after it leaves the effect
 * and takes away the answer.
 */
import { type Clock, sleep } from "@liquidmetal/foundation";
import { ApiError } from "../client/api-error.ts";

export type Verb =
  | "get"
  | "list"
  | "watch"
  | "create"
  | "replace"
  | "mergePatch"
  | "jsonPatch"
  | "apply"
  | "delete"
  | "request";

/** One call of a client. */
export interface FakeCall {
  readonly verb: Verb;
  /** Kind; for `request` the path. */
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  /** "" = the object itself. */
  readonly subresource: string;
  readonly fieldManager: string;
  /** What was sent: object, patch or configuration. */
  readonly body?: unknown;
}

/** A call matches when every given field does. */
export interface CallMatch {
  readonly verb?: Verb | readonly Verb[];
  readonly kind?: string;
  readonly namespace?: string;
  readonly name?: string;
  readonly subresource?: string;
  readonly fieldManager?: string;
  readonly where?: (call: FakeCall) => boolean;
}

export interface ScriptedFailure {
  /** HTTP status; 0 = the connection broke. */
  readonly status: number;
  /** Kubernetes' reason. Default: the one of the status. */
  readonly reason?: string;
  readonly message?: string;
  readonly retryAfterMs?: number;
  /** The first matching call that fails; 1 = the next. Default 1. */
  readonly nth?: number;
  /** How many fail from there on. Default 1. */
  readonly times?: number;
  /** "after": the call has its effect, but the answer is lost. Default "before". */
  readonly when?: "before" | "after";
}

export type CallHook = (call: FakeCall, moment: "before" | "after") => void | Promise<void>;

export const writeVerbs: readonly Verb[] = ["create", "replace", "mergePatch", "jsonPatch", "apply", "delete"];

export class CallScript {
  readonly #clock: Clock;
  readonly #hooks: Set<CallHook> = new Set();
  readonly #failures: Set<{ readonly match: CallMatch; readonly failure: ScriptedFailure; seen: number }> = new Set();
  readonly #delays: Set<{ readonly match: CallMatch; readonly delayMs: number }> = new Set();
  #calls: FakeCall[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Every call since the last `forgetCalls`, oldest first. */
  get calls(): readonly FakeCall[] {
    return this.#calls;
  }

  forgetCalls(): void {
    this.#calls = [];
  }

  onCall(hook: CallHook): Disposable {
    this.#hooks.add(hook);
    return { [Symbol.dispose]: () => this.#hooks.delete(hook) };
  }

  fail(match: CallMatch, failure: ScriptedFailure): Disposable {
    const entry = { match, failure, seen: 0 };
    this.#failures.add(entry);
    return { [Symbol.dispose]: () => this.#failures.delete(entry) };
  }

  delay(match: CallMatch, delayMs: number): Disposable {
    const entry = { match, delayMs };
    this.#delays.add(entry);
    return { [Symbol.dispose]: () => this.#delays.delete(entry) };
  }

  /** Runs one call as the script says. */
  async run<T>(call: FakeCall, signal: AbortSignal | undefined, work: () => T): Promise<T> {
    signal?.throwIfAborted();
    this.#calls.push(call);
    await this.#runHooks(call, "before");
    for (const { match, delayMs } of this.#delays) {
      if (matchesCall(match, call)) await sleep(this.#clock, delayMs, signal);
    }
    signal?.throwIfAborted();
    const failing = this.#failureOf(call);
    if (failing !== undefined && failing.when !== "after") throw errorOf(failing, call);
    const result = work();
    await this.#runHooks(call, "after");
    if (failing !== undefined) throw errorOf(failing, call);
    // An answer never comes in the same turn.
    await Promise.resolve();
    return result;
  }

  async #runHooks(call: FakeCall, moment: "before" | "after"): Promise<void> {
    for (const hook of [...this.#hooks]) await hook(call, moment);
  }

  #failureOf(call: FakeCall): ScriptedFailure | undefined {
    let found: ScriptedFailure | undefined;
    for (const entry of this.#failures) {
      if (!matchesCall(entry.match, call)) continue;
      const { nth = 1, times = 1 } = entry.failure;
      entry.seen += 1;
      if (entry.seen >= nth && entry.seen < nth + times) found ??= entry.failure;
      if (entry.seen >= nth + times - 1) this.#failures.delete(entry);
    }
    return found;
  }
}

export function matchesCall(match: CallMatch, call: FakeCall): boolean {
  const { verb, where } = match;
  if (verb !== undefined && !(typeof verb === "string" ? [verb] : verb).includes(call.verb)) return false;
  const names = ["kind", "namespace", "name", "subresource", "fieldManager"] as const;
  return names.every((name) => match[name] === undefined || match[name] === call[name]) && (where?.(call) ?? true);
}

function errorOf(failure: ScriptedFailure, call: FakeCall): ApiError {
  const { status, reason, message = "the test wants it so", retryAfterMs } = failure;
  return new ApiError(message, {
    httpStatus: status,
    operation: `${call.verb} ${call.kind} ${call.namespace}/${call.name}`,
    ...(reason === undefined ? {} : { reason }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });
}
