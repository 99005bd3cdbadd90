/**
 * A machine without a provider id: from nothing to a microVM that is recorded.
 *
 * Order, and why a death between any two steps makes neither two microVMs nor a lost one:
 * 1. a host is chosen and promised (in memory), 2. finalizer and journal are committed, 3. the host is looked through for a microVM of this identity,
 * 4. the host is asked to make it, 5. the provider id is committed. Who starts anew at 3 with a journal of somebody else reads the object from the API
 * server before 4, and waits until a request that may still be under way must have ended, if the host makes one microVM for each request.
 *
 * While the journaled host does not answer, the machine waits: another host only if nothing was sent for certain, or if the user says so.
 */
import { annotations, microvmMachines } from "../api/index.ts";
import type { Host, HostMicroVm, MicroVmRequest } from "../hosts/host.ts";
import { type Connection, connect, lostConnection } from "./connection.ts";
import { type Refusal, refusalOf } from "./create-refusal.ts";
import type { MachineScope, Outcome } from "./dependencies.ts";
import { both, type Findings, found, nothingFound } from "./findings.ts";
import { type Journal, journalOf } from "./journal.ts";
import { microVmRequest } from "./microvm-request.ts";
import { ownerOf, reportOn, verdict } from "./observe.ts";
import { sortMicroVms } from "./ownership.ts";
import { place } from "./place.ts";
import { clusterNameOf, type Ready, readiness } from "./readiness.ts";
import { recordMicroVm } from "./record.ts";
import { removeMicroVm } from "./removal.ts";

/** One pass: hosts are tried until one does not refuse, and the bootstrap data is read once. */
interface Attempt {
  readonly hostsLeft: number;
  readonly ready?: Ready;
}

const hostsAPass = 5;

export async function provision(scope: MachineScope, attempt: Attempt = { hostsLeft: hostsAPass }): Promise<Outcome> {
  const journal = journalOf(scope.machine);
  if (journal === undefined) return await placeAnew(scope, attempt);
  const connection = await connect(scope, journal.endpoint);
  if (!connection.open) return await withoutHost(scope, journal, connection, attempt);
  try {
    const outcome = await settle(scope, journal, connection.host, attempt);
    return { ...outcome, findings: both(connection.findings, outcome.findings) };
  } catch (error) {
    const lost = lostConnection(journal.endpoint, error);
    if (lost === undefined) throw error;
    return await withoutHost(scope, journal, lost, attempt);
  }
}

async function placeAnew(scope: MachineScope, { hostsLeft, ready: known }: Attempt): Promise<Outcome> {
  const ready = known ?? (await readiness(scope));
  if (!ready.ready) return waiting(scope, ready.findings, ready.requeueAfterMs);
  const placed = await place(scope);
  if (!placed.placed) return waiting(scope, both(ready.findings, placed.findings), placed.requeueAfterMs);
  return await provision(placed.scope, { hostsLeft: hostsLeft - 1, ready });
}

/** The journaled host answers: the microVM is there, or is made now. */
async function settle(scope: MachineScope, journal: Journal, host: Host, attempt: Attempt): Promise<Outcome> {
  const { world, uid, signal } = scope;
  const owner = ownerOf(scope.machine);
  const { namespace, name } = owner;
  const fresh = world.knowledge.journal(uid)?.sent === false && host.synced;
  const there = fresh ? host.knownByName(namespace, name) : await host.list(namespace, name, { signal });
  const { own, others, strangers } = sortMicroVms(owner, there);
  if (own?.state === "deleting") {
    const message = `${host.endpoint} is deleting the microVM ${own.uid}, which was not yet recorded; another one is made when it is gone`;
    return waiting(scope, found("VMProvisioned", "False", "Deleting", message));
  }
  if (own !== undefined) return await adopt(scope, host, own, others);
  if (strangers.length > 0) return waiting(scope, nameTaken(host, strangers));
  return await make(scope, journal, host, attempt);
}

async function make(scope: MachineScope, journal: Journal, host: Host, attempt: Attempt): Promise<Outcome> {
  const { knowledge } = scope.world;
  const { uid, signal } = scope;
  // It refused a moment ago, and nothing has changed there since: asking again would be blind.
  const spent = knowledge.journal(uid)?.sent === false && knowledge.refusals(uid).has(journal.endpoint);
  if (spent && attempt.hostsLeft > 0) return await placeAnew(scope, attempt);
  const ready = attempt.ready ?? (await readiness(scope));
  if (!ready.ready) return waiting(scope, ready.findings, ready.requeueAfterMs);
  if (!(await confirmed(scope, journal))) return { findings: nothingFound, machine: undefined, requeueAfterMs: 100 };
  const held = knowledge.held(uid) ?? quietFor(scope, host);
  if (held !== undefined) return waiting(scope, both(ready.findings, held.findings), held.leftMs);
  const sentBefore = knowledge.journal(uid)?.sent ?? true;
  knowledge.confirm(uid, { endpoint: journal.endpoint, sent: true });
  try {
    const microVm = await host.create(requestOf(scope, journal, ready.userData), { signal });
    const outcome = await adopt(scope, host, microVm, []);
    return { ...outcome, findings: both(ready.findings, outcome.findings) };
  } catch (error) {
    const refusal = refusalOf(error, host.endpoint);
    if (refusal === undefined || signal.aborted) throw error;
    if (refusal.kind === "not-sent") {
      knowledge.confirm(uid, { endpoint: journal.endpoint, sent: sentBefore });
      throw error;
    }
    const outcome = await afterRefusal(scope, host, refusal, { ...attempt, ready, sentBefore });
    return { ...outcome, findings: both(ready.findings, outcome.findings) };
  }
}

/** A host that makes one microVM for each request is not asked while an earlier request may be under way. */
function quietFor({ world, uid }: MachineScope, host: Host): { findings: Findings; leftMs: number } | undefined {
  const leftMs = host.facts() === undefined ? world.knowledge.quietLeftMs(uid) : 0;
  if (leftMs === 0) return undefined;
  const message = `${host.endpoint} may still be working on an earlier request for this microVM; it is asked again when that must have ended`;
  return { findings: found("VMProvisioned", "False", "Creating", message), leftMs };
}

function requestOf(scope: MachineScope, journal: Journal, userData: string): MicroVmRequest {
  const { machine, cluster, microvmCluster, world } = scope;
  return microVmRequest(machine, journal, {
    clusterName: cluster?.metadata?.name ?? clusterNameOf(machine),
    clusterUid: microvmCluster?.metadata?.uid ?? "",
    clusterSshPublicKeys: microvmCluster?.spec.sshPublicKeys,
    managementPlane: world.managementPlane,
    userData,
  });
}

/** The host said no, or nothing. Only after it has said that there is nothing of the machine either, another host is asked. */
async function afterRefusal(
  scope: MachineScope,
  host: Host,
  refusal: Refusal,
  attempt: Attempt & { readonly sentBefore: boolean },
): Promise<Outcome> {
  const { world, uid, machine } = scope;
  const { knowledge } = world;
  const { endpoint } = host;
  const hold = (forMs: number): Outcome => {
    knowledge.hold(uid, refusal.findings, forMs);
    return waiting(scope, refusal.findings, forMs);
  };
  if (refusal.kind === "uncertain") knowledge.keepQuiet(uid);
  if (refusal.kind !== "other-host") return hold(refusal.againMs);
  // An earlier request may still be under way there, and make what this one was refused.
  const quietMs = attempt.sentBefore ? knowledge.quietLeftMs(uid) : 0;
  if (quietMs > 0) return hold(quietMs);
  if (!(await provenAbsent(scope, host))) return hold(refusal.againMs);
  knowledge.confirm(uid, { endpoint, sent: false });
  knowledge.refused(uid, endpoint, refusal.message);
  world.events.warning(machine, "HostRefused", `${endpoint}: ${refusal.message}`);
  return attempt.hostsLeft > 0 ? await placeAnew(scope, attempt) : hold(refusal.againMs);
}

/**
 * Whether the journal in hand is what the API server has. One that somebody else wrote may be old news: a cache that lags could send the machine to a
 * host from which its predecessor has moved it away.
 */
async function confirmed(scope: MachineScope, journal: Journal): Promise<boolean> {
  const { world, uid, key, machine, signal } = scope;
  const known = world.knowledge.journal(uid);
  if (known?.endpoint === journal.endpoint) return true;
  const now = await world.client.find(microvmMachines, key, { signal });
  if (now === undefined) return false;
  world.caches.microvmMachines.learn(now);
  if (now.metadata?.resourceVersion !== machine.metadata?.resourceVersion) return false;
  world.knowledge.confirm(uid, { endpoint: journal.endpoint, sent: true });
  world.knowledge.keepQuiet(uid);
  return true;
}

async function provenAbsent(scope: MachineScope, host: Host): Promise<boolean> {
  const owner = ownerOf(scope.machine);
  const { own, others } = sortMicroVms(owner, await host.list(owner.namespace, owner.name, { signal: scope.signal }));
  return own === undefined && others.length === 0;
}

/** Commits the provider id, and says how the microVM is. */
async function adopt(
  before: MachineScope,
  host: Host,
  microVm: HostMicroVm,
  surplus: readonly HostMicroVm[],
): Promise<Outcome> {
  const { world, uid } = before;
  const scope = await recordMicroVm(before, host.endpoint, microVm.uid);
  world.knowledge.recorded(uid);
  world.knowledge.promiseKept(uid, host.endpoint, host.facts() !== undefined);
  world.events.normal(scope.machine, "MicroVMCreated", `${host.endpoint} has the microVM ${microVm.uid}`);
  for (const one of surplus) await removeMicroVm(scope, host, one, "surplus");
  // The watch may have told more since the host answered.
  return reportOn(scope, verdict(scope, host, host.known(microVm.uid) ?? microVm));
}

/** The journaled host cannot be asked. */
async function withoutHost(
  scope: MachineScope,
  journal: Journal,
  connection: Connection & { readonly open: false },
  attempt: Attempt,
): Promise<Outcome> {
  const { world, uid, machine, microvmCluster } = scope;
  const { endpoint } = journal;
  const known = world.knowledge.journal(uid);
  const unsent = known?.endpoint === endpoint && !known.sent;
  const told = isAbandoning(machine) || (microvmCluster !== undefined && isAbandoning(microvmCluster));
  if (!connection.hopeful && (unsent || told) && attempt.hostsLeft > 0) {
    const why = unsent ? "it was not asked for the microVM yet" : `as ${annotations.abandonUnreachableHost} says`;
    world.events.warning(
      machine,
      "HostAbandoned",
      `${endpoint} cannot be used (${connection.message}); another host is chosen: ${why}`,
    );
    world.knowledge.refused(uid, endpoint, connection.message);
    return await placeAnew(scope, attempt);
  }
  const message = `${connection.message}. It was chosen for this machine and may have its microVM already, so no other host is asked: bring it back, delete the Machine, or set the annotation ${annotations.abandonUnreachableHost}: "true"`;
  const words = connection.hopeful ? connection.message : message;
  const findings = both(found("VMProvisioned", "False", "WaitingForHost", words), connection.findings);
  return waiting(scope, findings, connection.requeueAfterMs);
}

export function isAbandoning(object: { readonly metadata?: MachineScope["machine"]["metadata"] }): boolean {
  return object.metadata?.annotations?.[annotations.abandonUnreachableHost] === "true";
}

function nameTaken(host: Host, strangers: readonly HostMicroVm[]): Findings {
  const names = strangers.map(({ uid, identity = "none" }) => `${uid} (identity ${identity})`).join(", ");
  const message = `${host.endpoint} has a microVM of this namespace and name that was made for somebody else: ${names}. It is neither adopted nor deleted; the machine waits until it is gone`;
  return found("VMProvisioned", "False", "NameTaken", message);
}

function waiting({ machine }: MachineScope, findings: Findings, requeueAfterMs?: number): Outcome {
  return { findings, machine, ...(requeueAfterMs === undefined ? {} : { requeueAfterMs }) };
}
