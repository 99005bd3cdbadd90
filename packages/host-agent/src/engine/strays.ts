/**
 * Processes that carry our token and that no record names: spawned in the moment in which the agent, or the spawner, died.
 *
 * They are ended before anything else is started for their microVM, so that two VMMs never open one disk. A process that a record names is
 * never touched here, nor is one that cannot be proven ours.
 */
import { attempt, type Clock, PlatformError, withDeadline } from "@liquidmetal/foundation";
import type { MicroVmRecord, ProcessIdentity } from "@liquidmetal/microvm";
import type { EngineDependencies } from "./dependencies.ts";
import { tokenPrefix, tokenPrefixOf } from "./identifiers.ts";

type Reaper = Pick<EngineDependencies, "spawner" | "logger"> & { readonly clock: Clock };

/**
 * Ends every stray of this host. Returns how many there were. One that cannot be ended makes its microVM a suspect.
 * Throws SPAWNER_UNAVAILABLE.
 */
export async function killStrays(
  deps: EngineDependencies,
  recordOf: (uid: string) => MicroVmRecord | undefined,
  uidOf: (token: string) => string | undefined,
  suspects: Set<string>,
): Promise<number> {
  const found = await deps.spawner.findByTokenPrefix(tokenPrefix(deps.host.hostId));
  const strays = found.filter((identity) => {
    const uid = uidOf(identity.token);
    return uid === undefined || !names(recordOf(uid), identity);
  });
  await Promise.all(
    strays.map(async (identity) => {
      const killed = await attempt(() => killIfOurs(deps, identity));
      if (killed.ok) return;
      deps.logger.error("process.stray_left", { pid: identity.pid, error: killed.error });
      const uid = uidOf(identity.token);
      if (uid !== undefined) suspects.add(uid);
    }),
  );
  return strays.length;
}

/** The same for one microVM. */
export async function killStraysOf(deps: EngineDependencies, record: MicroVmRecord): Promise<void> {
  const found = await deps.spawner.findByTokenPrefix(tokenPrefixOf(deps.host.hostId, record.uid));
  await Promise.all(found.filter((one) => !names(record, one)).map((one) => killIfOurs(deps, one)));
}

/** Kills a process after its identity was proven, and waits for its end. Leaves it alone when it cannot be proven. */
export async function killIfOurs(deps: Reaper, identity: ProcessIdentity): Promise<void> {
  const verdict = await deps.spawner.signal(identity, "SIGKILL");
  deps.logger.warn("process.stray", { pid: identity.pid, token: identity.token, verdict });
  if (verdict === "gone") return;
  if (verdict === "unverifiable") {
    throw new PlatformError("PROCESS_UNVERIFIED", `process ${identity.pid} cannot be proven to be ours`);
  }
  const waitingFor = `process ${identity.pid} to end after SIGKILL`;
  await withDeadline({ clock: deps.clock, timeoutMs: 10_000, waitingFor }, (signal) =>
    deps.spawner.exited(identity, { signal }),
  );
}

function names(record: MicroVmRecord | undefined, identity: ProcessIdentity): boolean {
  if (record === undefined) return false;
  const owned = [record.made.process, ...Object.values(record.made.volumes).map((volume) => volume.process)];
  return owned.some((one) => one?.pid === identity.pid && one.startTime === identity.startTime);
}
