/** Retry delays: exponential, capped, with full jitter on the upper half so that many retries never beat in time. */
export interface BackoffOptions {
  /** Delay of the first retry, in milliseconds. Default 1,000. */
  readonly baseMs?: number;
  /** No delay is longer, in milliseconds. Default 300,000 (5 minutes). */
  readonly capMs?: number;
}

/**
 * Delay before retry number `attempt` (1 = first), in milliseconds: between half of and the whole of `min(cap, base * 2^(attempt-1))`.
 * `fraction` is a random number in [0, 1).
 */
export function backoffDelayMs(attempt: number, fraction: number, options: BackoffOptions = {}): number {
  const { baseMs = 1_000, capMs = 300_000 } = options;
  const exponent = Math.min(Math.max(attempt, 1) - 1, 30);
  const ceiling = Math.min(capMs, baseMs * 2 ** exponent);
  return Math.round(ceiling / 2 + (ceiling / 2) * fraction);
}
