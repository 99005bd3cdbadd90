/** Waiting for the end of a process that may not be our child, and bringing it about. */
import { type Clock, sleep } from "@liquidmetal/foundation";
import { isAlive, type ProcessIdentity, signalIfOurs } from "./identity.ts";

/** A process that is not our child tells nobody of its end (Node has no pidfd): it is looked at this often. */
const lookMs = 100;

/** Resolves when the process is gone; rejects with the signal. */
export async function ended(identity: ProcessIdentity, clock: Clock, signal: AbortSignal): Promise<void> {
  while (isAlive(identity)) await sleep(clock, lookMs, signal);
}

/** SIGTERM, and SIGKILL when it does not end within the grace. Resolves when it is gone. */
export async function terminate(identity: ProcessIdentity, clock: Clock, graceMs: number): Promise<void> {
  if (!signalIfOurs(identity, "SIGTERM")) return;
  const grace = AbortSignal.timeout(graceMs);
  await ended(identity, clock, grace).catch(() => undefined);
  if (!signalIfOurs(identity, "SIGKILL")) return;
  await ended(identity, clock, AbortSignal.timeout(5_000)).catch(() => undefined);
}
