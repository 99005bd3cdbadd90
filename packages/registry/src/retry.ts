/** Trying again what a registry or the way to it may do better next time: connections that break, 5xx, 429 (whose `Retry-After` counts). */
import { backoffDelayMs, type Clock, type Entropy, PlatformError, sleep } from "@liquidmetal/foundation";

export interface RetryOptions {
  readonly clock: Clock;
  readonly entropy: Entropy;
  /** All attempts, the first one too. */
  readonly attempts: number;
  /** What else is worth another attempt. */
  readonly alsoWorth?: ((error: unknown) => boolean) | undefined;
  readonly signal?: AbortSignal | undefined;
}

const delays = { baseMs: 200, capMs: 5_000 };

/** Runs `work` until it succeeds, fails for good, or has failed `attempts` times. */
export async function withRetries<T>(options: RetryOptions, work: (attempt: number) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work(attempt);
    } catch (error) {
      options.signal?.throwIfAborted();
      const worth = isWorthRetrying(error) || options.alsoWorth?.(error) === true;
      if (!worth || attempt >= options.attempts) throw error;
      const asked = error instanceof PlatformError ? error.details["retryAfterMs"] : undefined;
      const delayMs = backoffDelayMs(attempt, options.entropy.fraction(), delays);
      await sleep(options.clock, Math.max(delayMs, typeof asked === "number" ? asked : 0), options.signal);
    }
  }
}

function isWorthRetrying(error: unknown): boolean {
  if (!(error instanceof PlatformError) || error.retry !== "backoff") return false;
  return error.code === "IMAGE_PULL_FAILED" || error.code === "IMAGE_PUSH_FAILED";
}
