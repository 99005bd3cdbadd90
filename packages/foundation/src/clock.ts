/**
 * Time and randomness as ports, so that the core can be run in a simulated world.
 *
 * Wall time is for people and records; every wait and deadline uses monotonic time, so that a clock that jumps harms nothing.
 */
export interface Clock {
  /** Milliseconds since the Unix epoch. May jump. */
  nowMs(): number;
  /** Milliseconds since some start. Never goes back. */
  monotonicMs(): number;
  /** Calls `fire` once after `delayMs` unless cancelled. The timer alone does not keep the process alive. */
  timer(delayMs: number, fire: () => void): Timer;
}

export interface Timer {
  cancel(): void;
}

export interface Entropy {
  /** `length` random bytes, fit for identifiers. */
  bytes(length: number): Uint8Array;
  /** A number in [0, 1), for jitter. */
  fraction(): number;
}

/** Resolves after `delayMs`; rejects with the signal's reason as soon as it is aborted. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const abort = (): void => {
      timer.cancel();
      reject(signal?.reason);
    };
    const timer = clock.timer(delayMs, () => {
      signal?.removeEventListener("abort", abort);
      resolve();
    });
    signal?.addEventListener("abort", abort, { once: true });
  });
}
