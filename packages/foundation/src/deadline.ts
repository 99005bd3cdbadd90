/** Deadlines: every wait names what it waits for, and ends. */
import type { Clock } from "./clock.ts";
import { PlatformError } from "./platform-error.ts";

export interface DeadlineOptions {
  readonly clock: Clock;
  /** How long the work may take, in milliseconds. */
  readonly timeoutMs: number;
  /** What is waited for, as in "containerd to answer"; part of the error's text. */
  readonly waitingFor: string;
  readonly signal?: AbortSignal;
}

/**
 * Runs `work` with a signal that is aborted at the deadline or with the caller's own signal.
 * Rejects with `DEADLINE_EXCEEDED` at the deadline, even if `work` ignores its signal.
 */
export async function withDeadline<T>(options: DeadlineOptions, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const { clock, timeoutMs, waitingFor, signal } = options;
  signal?.throwIfAborted();
  const controller = new AbortController();
  const { promise: ended, reject } = Promise.withResolvers<never>();
  const end = (reason: unknown): void => {
    reject(reason);
    controller.abort(reason);
  };
  const timer = clock.timer(timeoutMs, () =>
    end(new PlatformError("DEADLINE_EXCEEDED", `waited ${timeoutMs} ms for ${waitingFor}`)),
  );
  const cancel = (): void => end(signal?.reason);
  signal?.addEventListener("abort", cancel, { once: true });
  try {
    return await Promise.race([work(controller.signal), ended]);
  } finally {
    timer.cancel();
    signal?.removeEventListener("abort", cancel);
  }
}
