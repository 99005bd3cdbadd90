/**
 * The life of a microVM as data: one literal transition table, one writer (`MicroVmRecord.phase` through `transition`).
 *
 * | phase | meaning | wire state (upstream) |
 * |---|---|---|
 * | pending | accepted, durable, nothing done yet (or waiting for a retry) | PENDING |
 * | preparing | images, volumes, network, metadata are being made | PENDING |
 * | starting | the VMM is being started | PENDING |
 * | running | the VMM says the guest runs | CREATED |
 * | paused | the guest's processors are stopped, its memory kept | CREATED |
 * | stopping | the guest is asked, then forced, to power off | CREATED |
 * | stopped | powered off by the user's word or its own; volumes and network kept | CREATED |
 * | failed | a step failed in a way that a retry alone will not mend; retried slowly, or on the user's word | FAILED |
 * | deleting | everything it owns is being given back | DELETING |
 * | deleted | gone; never stored | – |
 */
export const phases = [
  "pending",
  "preparing",
  "starting",
  "running",
  "paused",
  "stopping",
  "stopped",
  "failed",
  "deleting",
  "deleted",
] as const;

export type Phase = (typeof phases)[number];

/** Upstream's four wire states. */
export type WireState = "PENDING" | "CREATED" | "FAILED" | "DELETING";

/** From each phase, the phases that may follow. `deleted` is the end. */
export const transitions: Readonly<Record<Phase, readonly Phase[]>> = {
  pending: ["preparing", "starting", "running", "paused", "stopping", "stopped", "failed", "deleting"],
  preparing: ["pending", "starting", "stopped", "failed", "deleting"],
  starting: ["running", "paused", "pending", "stopping", "stopped", "failed", "deleting"],
  running: ["paused", "stopping", "stopped", "pending", "failed", "deleting"],
  paused: ["running", "stopping", "stopped", "pending", "failed", "deleting"],
  // A reboot goes from stopping straight to starting (or preparing, when something is missing).
  stopping: ["preparing", "starting", "stopped", "running", "paused", "pending", "failed", "deleting"],
  stopped: ["pending", "preparing", "starting", "running", "stopping", "failed", "deleting"],
  failed: ["pending", "preparing", "starting", "running", "paused", "stopped", "stopping", "deleting"],
  deleting: ["deleted"],
  deleted: [],
};

export function canTransition(from: Phase, to: Phase): boolean {
  return from === to || transitions[from].includes(to);
}

export function wireState(phase: Phase): WireState {
  switch (phase) {
    case "pending":
    case "preparing":
    case "starting":
      return "PENDING";
    case "running":
    case "paused":
    case "stopping":
    case "stopped":
      return "CREATED";
    case "failed":
      return "FAILED";
    case "deleting":
    case "deleted":
      return "DELETING";
    default:
      return phase satisfies never;
  }
}
