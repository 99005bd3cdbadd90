/**
 * What the guest and its VMM report, turned into the record.
 *
 * These commits happen beside the reconcile loop; they read the newest record, so neither loses the other's change. `running` is the VMM's word,
 * `ready` the guest's own.
 */
import { backoffDelayMs } from "@liquidmetal/foundation";
import type { GuestExit, HypervisorEvent, MicroVmRecord, Phase } from "@liquidmetal/microvm";
import type { EngineContext } from "./context.ts";
import type { Guest } from "./guests.ts";
import type { Happening } from "./records.ts";
import { consequenceOf, exitReasons, isFailure, restartPolicyOf } from "./restart-policy.ts";

type GuestEvent = Exclude<HypervisorEvent, { kind: "console" | "exited" }>;

export function onGuestEvent(context: EngineContext, guest: Guest, event: GuestEvent): void {
  const { records, deps, wake } = context;
  const { uid } = guest;
  switch (event.kind) {
    case "guest-ready":
      onReady(context, uid, event.addresses);
      return;
    case "guest-reset":
      records.update(
        uid,
        (record) => ({ ...record, guest: notReady(record) }),
        [{ reason: "GuestRebooted", message: "the guest rebooted" }],
        "relaxed",
      );
      return;
    case "guest-panicked":
      guest.panic = event.message;
      // A panicked guest is of no use to anyone; its end is dealt with like any other.
      void guest.vmm.stop("forced").then((stopped) => {
        if (!stopped.ok) deps.logger.warn("guest.panicked_stop_failed", { uid, error: stopped.error });
      });
      return;
    case "paused":
    case "resumed":
      wake(uid);
      return;
    default:
      event satisfies never;
  }
}

/** The VMM is gone. Decides, by the restart policy, whether and when it comes back. */
export function onGuestExit(context: EngineContext, guest: Guest, reported: GuestExit): void {
  const { records, deps, wake } = context;
  const uptimeMs = deps.clock.monotonicMs() - guest.sinceMonotonicMs;
  const exit = trueExit(guest, reported);
  deps.logger.info("guest.exited", { uid: guest.uid, cause: exit.cause, uptimeMs, exitCode: exit.exitCode ?? null });
  try {
    applyExit(context, guest.uid, exit, uptimeMs);
  } catch (error) {
    // The journal is full: the record still names the process, and the loop finds it gone.
    deps.logger.error("guest.exit_not_recorded", { uid: guest.uid, error });
    if (records.has(guest.uid)) context.holdOff(guest.uid, deps.config.retry.backoff.baseMs ?? 1_000);
  }
  wake(guest.uid);
}

/** Commits the end of a run: what happened, and what is to follow. Throws DISK_FULL. */
export function applyExit(context: EngineContext, uid: string, exit: GuestExit, uptimeMs: number): void {
  const { records, deps } = context;
  const record = records.get(uid);
  if (record === undefined) return;
  const gone = withoutProcess(record, exit);
  const wanted = record.desired === "running" || record.desired === "paused";
  if (!wanted) {
    records.update(uid, () => gone, [], "relaxed");
    return;
  }
  if (exit.cause === "requested") {
    // It was stopped to start afresh; or it follows only now a stop that was taken back, and is started again.
    const phase = record.phase === "running" || record.phase === "paused" ? "pending" : record.phase;
    records.update(uid, () => ({ ...gone, phase }), [], "relaxed");
    return;
  }
  const happening = exitHappening(exit);
  const consequence = consequenceOf(exit.cause, restartPolicyOf(record, deps.config.defaultRestartPolicy));
  switch (consequence) {
    case "at-once":
      records.update(uid, () => ({ ...gone, phase: "pending" }), [happening]);
      return;
    case "with-backoff": {
      const { retry } = deps.config;
      const attempts = (uptimeMs >= retry.stableAfterMs ? 0 : record.retry.attempts) + 1;
      const delayMs = backoffDelayMs(attempts, deps.entropy.fraction(), retry.backoff);
      const phase: Phase = attempts >= retry.failedAfterAttempts ? "failed" : "pending";
      const notBeforeMs = deps.clock.nowMs() + delayMs;
      const message = `${happening.message}; it is started again in ${Math.ceil(delayMs / 1_000)} s`;
      const { reason } = happening;
      records.update(uid, () => ({ ...gone, phase, reason, message, retry: { attempts, notBeforeMs } }), [happening]);
      context.holdOff(uid, delayMs);
      return;
    }
    case "stay-stopped": {
      const phase: Phase = isFailure(exit) ? "failed" : "stopped";
      const { reason, message } = happening;
      records.update(uid, () => ({ ...gone, desired: "stopped", phase, reason, message }), [happening]);
      return;
    }
    default:
      consequence satisfies never;
  }
}

function trueExit(guest: Guest, exit: GuestExit): GuestExit {
  if (guest.stopRequested) return { ...exit, cause: "requested" };
  return guest.panic === undefined ? exit : { ...exit, cause: "panicked", message: guest.panic };
}

function exitHappening(exit: GuestExit): Happening {
  const message = exit.message === "" ? `the guest ended: ${exit.cause}` : exit.message;
  return { severity: isFailure(exit) ? "warning" : "info", reason: exitReasons[exit.cause], message };
}

function withoutProcess(record: MicroVmRecord, exit: GuestExit): MicroVmRecord {
  const { process: _gone, processGeneration: _past, ...made } = record.made;
  return { ...record, made, guest: { ...notReady(record), lastExit: exit } };
}

/** A guest may say it again: on both of its channels, when its addresses change, when it is asked after a restart of the agent. */
function onReady({ deps, records }: EngineContext, uid: string, addresses: readonly string[]): void {
  const before = records.get(uid);
  if (before === undefined) return;
  const after = withReady(before, addresses, deps.clock.nowMs());
  if (!before.guest.ready) {
    const happening = { reason: "GuestReady", message: "the guest says that it is ready" };
    records.update(uid, (now) => withReady(now, addresses, deps.clock.nowMs()), [happening], "relaxed");
  } else if (before.guest.addresses.join() !== after.guest.addresses.join()) {
    records.update(uid, (now) => ({ ...now, guest: { ...now.guest, addresses: after.guest.addresses } }), [
      { reason: "GuestAddressesChanged", message: `the guest has the addresses ${after.guest.addresses.join(", ")}` },
    ]);
  }
}

function withReady(record: MicroVmRecord, reported: readonly string[], nowMs: number): MicroVmRecord {
  const addresses = reported.length > 0 ? reported : knownAddresses(record);
  return { ...record, guest: { ...record.guest, ready: true, readyAtMs: nowMs, addresses } };
}

/** The guest as it is before it has said anything: with the addresses that the host gave it. */
export function notReady(record: MicroVmRecord): MicroVmRecord["guest"] {
  const { readyAtMs: _past, ...guest } = record.guest;
  return { ...guest, ready: false, addresses: knownAddresses(record) };
}

/** Addresses that the host chose or was told, without mask. */
function knownAddresses(record: MicroVmRecord): readonly string[] {
  return Object.values(record.made.interfaces).flatMap((made) =>
    made.addresses.map((cidr) => cidr.replace(/\/.*$/, "")),
  );
}
