/** What becomes of a microVM whose guest ended without our asking. */
import type { GuestExit, MicroVmRecord, RestartPolicy } from "@liquidmetal/microvm";

/** Label by which a microVM chooses its own policy. */
export const restartPolicyLabel = "liquidmetal.dev/restart-policy";

/**
 * - `at-once`: start it again; its end is no failure (the guest rebooted, or the host did).
 * - `with-backoff`: start it again, later and later as it fails again and again.
 * - `stay-stopped`: it ended by its own will, or shall not be restarted.
 */
export type Consequence = "at-once" | "with-backoff" | "stay-stopped";

export function restartPolicyOf(record: MicroVmRecord, fallback: RestartPolicy): RestartPolicy {
  const wanted = record.spec.labels[restartPolicyLabel];
  return wanted === "always" || wanted === "on-failure" || wanted === "never" ? wanted : fallback;
}

export function consequenceOf(cause: GuestExit["cause"], policy: RestartPolicy): Consequence {
  switch (cause) {
    case "requested":
    case "rebooted":
    case "lost":
      return "at-once";
    case "powered-off":
      return policy === "always" ? "with-backoff" : "stay-stopped";
    case "panicked":
    case "crashed":
    case "hung":
      return policy === "never" ? "stay-stopped" : "with-backoff";
    default:
      return cause satisfies never;
  }
}

/** Whether the guest's end was a failure, so that staying stopped is shown as `failed`. */
export function isFailure(exit: GuestExit | undefined): boolean {
  return exit !== undefined && (exit.cause === "panicked" || exit.cause === "crashed" || exit.cause === "hung");
}

/** Stable words for conditions and events. */
export const exitReasons: Readonly<Record<GuestExit["cause"], string>> = {
  requested: "Stopped",
  "powered-off": "GuestPoweredOff",
  rebooted: "GuestRebooted",
  panicked: "GuestPanicked",
  crashed: "VmmCrashed",
  hung: "GuestHung",
  lost: "VmmLost",
};
