/** Foundation: what every other room stands on. Imports nothing. */
export { attempt } from "./attempt.ts";
export { type BackoffOptions, backoffDelayMs } from "./backoff.ts";
export { Broadcast, type Subscription } from "./broadcast.ts";
export { type Clock, type Entropy, sleep, type Timer } from "./clock.ts";
export { type DeadlineOptions, withDeadline } from "./deadline.ts";
export { parseDurationMs } from "./duration.ts";
export {
  type ErrorEntry,
  type ErrorKind,
  errorCatalogue,
  type RetryPolicy,
} from "./error-catalogue.ts";
export type { ErrorCode } from "./error-code.ts";
export { FakeClock } from "./fake-clock.ts";
export { KeyedQueue, type KeyedQueueOptions } from "./keyed-queue.ts";
export { type ErrorDetails, PlatformError, type PlatformErrorOptions } from "./platform-error.ts";
export { type Err, err, type Ok, ok, type Result, unwrap } from "./result.ts";
export { Semaphore } from "./semaphore.ts";
export { systemClock, systemEntropy } from "./system-clock.ts";
