/**
 * What follows a failed step: how long to wait, and what the user is told.
 *
 * Nothing is a dead end. `backoff` is tried again soon, later and later; `after-change` and `never` are tried again slowly, at once when
 * something changed that may help (capacity, an image) or when the user says so.
 */
import { backoffDelayMs, type PlatformError } from "@liquidmetal/foundation";
import type { MicroVmRecord, Phase } from "@liquidmetal/microvm";
import type { RetryConfig } from "./dependencies.ts";

export interface Verdict {
  readonly delayMs: number;
  readonly attempts: number;
  readonly phase: Phase;
  /** CamelCase of the error's code. */
  readonly reason: string;
  readonly message: string;
  /** Whether news about capacity or images may help. */
  readonly awaitsChange: boolean;
}

/** `fraction` is a random number in [0, 1). */
export function judge(record: MicroVmRecord, error: PlatformError, retry: RetryConfig, fraction: number): Verdict {
  const attempts = record.retry.attempts + 1;
  const soon = error.retry === "backoff";
  const delayMs = soon
    ? backoffDelayMs(attempts, fraction, retry.backoff)
    : Math.round(retry.slowMs * (0.75 + fraction / 2));
  return {
    delayMs,
    attempts,
    phase: phaseAfter(record, soon && attempts < retry.failedAfterAttempts),
    reason: reasonOf(error),
    message: `${error.message}; ${error.remedy}`,
    awaitsChange: error.retry === "after-change",
  };
}

/** `IMAGE_NOT_FOUND` → `ImageNotFound`. */
export function reasonOf(error: PlatformError): string {
  return error.code
    .toLowerCase()
    .split("_")
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join("");
}

/** A microVM that runs is not called failed because it could not be paused; one that is being deleted stays that. */
function phaseAfter(record: MicroVmRecord, hopeful: boolean): Phase {
  if (record.phase === "deleting") return "deleting";
  if (record.made.process !== undefined && record.phase !== "starting") return record.phase;
  return hopeful ? "pending" : "failed";
}
