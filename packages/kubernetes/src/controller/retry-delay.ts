/**
 * When a failed key is tried again.
 *
 * Per key exponential from 5 ms to 1,000 s, as controller-runtime, jittered so that keys which failed together do not come back together; over all keys
 * 10 a second beyond a burst of 100. A server that says when it wants to be asked again is heard. What only a change can heal waits for that change, and
 * is tried again slowly all the same, because not every change is seen.
 */
import type { Clock, Entropy } from "@liquidmetal/foundation";
import { PlatformError } from "@liquidmetal/foundation";
import { ApiError } from "../client/api-error.ts";

const baseMs = 5;
const capMs = 1_000_000;
/** Slow retry of errors that a retry alone cannot heal. */
export const slowRetryMs = 120_000;
const retriesPerSecond = 10;
const burst = 100;

export class RetryDelay {
  readonly #clock: Clock;
  readonly #entropy: Entropy;
  readonly #failures: Map<string, number> = new Map();
  #tokens = burst;
  #filledAtMs: number;

  constructor(clock: Clock, entropy: Entropy) {
    this.#clock = clock;
    this.#entropy = entropy;
    this.#filledAtMs = clock.monotonicMs();
  }

  /** How often `key` has failed in a row. */
  failures(key: string): number {
    return this.#failures.get(key) ?? 0;
  }

  forget(key: string): void {
    this.#failures.delete(key);
  }

  /** Counts the failure and says after how many milliseconds `key` is to be tried again. */
  after(key: string, error: unknown): number {
    const failures = this.failures(key) + 1;
    this.#failures.set(key, failures);
    const own = Math.min(capMs, baseMs * 2 ** Math.min(failures - 1, 30));
    const asked = error instanceof ApiError ? (error.retryAfterMs ?? 0) : 0;
    const slow = isTerminal(error) ? slowRetryMs : 0;
    const jittered = Math.max(own, asked, slow) * (1 + 0.2 * this.#entropy.fraction());
    return Math.round(Math.max(jittered, this.#bucketMs()));
  }

  /** Takes a token; milliseconds until it is there. */
  #bucketMs(): number {
    const now = this.#clock.monotonicMs();
    this.#tokens = Math.min(burst, this.#tokens + ((now - this.#filledAtMs) * retriesPerSecond) / 1_000);
    this.#filledAtMs = now;
    this.#tokens -= 1;
    return this.#tokens >= 0 ? 0 : (-this.#tokens * 1_000) / retriesPerSecond;
  }
}

/** The same input fails again: only a change can help. */
export function isTerminal(error: unknown): boolean {
  return error instanceof PlatformError && error.retry !== "backoff";
}
