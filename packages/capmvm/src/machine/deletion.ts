/**
 * A MicrovmMachine that is being deleted: its microVM goes first, then the finalizer.
 *
 * - Looked for where the provider id says and where the journal says, by name and identity; nothing journaled and nothing recorded = nothing was made.
 * - Only what was made for this machine is deleted. A provider id that names somebody else's microVM deletes nothing.
 * - The finalizer goes only after the host itself has said that there is none. A host that cannot be asked keeps the object, unless the user lets go with
 *   an annotation.
 * - It works without Machine, Cluster and MicrovmCluster. As long as the Machine is there with a pre-terminate hook (the control plane has one on each
 *   of its machines), the microVM stays: Cluster API deletes infrastructure only after its hooks, so this deletion came from elsewhere.
 */
import { PlatformError } from "@liquidmetal/foundation";
import { annotations, type MachineReason, parseProviderId } from "../api/index.ts";
import type { Host } from "../hosts/host.ts";
import { type Connection, connect, lostConnection } from "./connection.ts";
import type { MachineScope, Outcome } from "./dependencies.ts";
import { both, type Findings, found, nothingFound } from "./findings.ts";
import { hasFinalizer, journalOf } from "./journal.ts";
import { ownerOf } from "./observe.ts";
import { type Sorted, sortMicroVms } from "./ownership.ts";
import { isAbandoning } from "./provision.ts";
import { letGo } from "./record.ts";
import { removeMicroVm } from "./removal.ts";

const preTerminateHook = "pre-terminate.delete.hook.machine.cluster.x-k8s.io";
/** A microVM that is gone within this time, in milliseconds, costs no status that says so. */
const goneSoonMs = 1_000;
/** In case the word of the host gets lost. */
const lookAgainMs = 60_000;
const failedAgainMs = 10_000;

export async function remove(scope: MachineScope): Promise<Outcome> {
  if (!hasFinalizer(scope.machine)) return { findings: nothingFound, machine: undefined };
  const hooks = hooksOf(scope);
  if (hooks.length > 0) {
    const message = `the Machine has the pre-terminate hook ${hooks.join(", ")}; the microVM stays until it is taken away. Delete the Machine, not the MicrovmMachine`;
    return stays(scope, "Deleting", message);
  }
  const held = scope.world.knowledge.held(scope.uid);
  const isDeleteHeld = held?.findings.conditions.Deleting !== undefined;
  if (held !== undefined && isDeleteHeld) {
    return { findings: held.findings, machine: scope.machine, requeueAfterMs: held.leftMs };
  }
  const places = placesOf(scope);
  if (places === undefined && !isLettingGo(scope)) {
    const message = `spec.providerID is ${JSON.stringify(scope.machine.spec.providerID)}, so it cannot be told where the microVM is: correct it, or set the annotation ${annotations.abandonUnreachableHost}: "true"`;
    return stays(scope, "DeleteFailed", message, found("VMProvisioned", "False", "ProviderIDInvalid", message));
  }
  let gone = 0;
  for (const endpoint of places ?? []) {
    const removal = await removeFrom(scope, endpoint);
    if (typeof removal !== "string") return removal;
    if (removal === "gone") gone++;
  }
  await letGo(scope);
  const { world, machine, uid, key } = scope;
  if (gone > 0 && gone === places?.length) world.events.normal(machine, "MicroVMDeleted", "the microVM is gone");
  world.logger.info("machine.deleted", { machine: key });
  world.knowledge.forget(uid);
  world.occupancy.forget(uid);
  return { findings: nothingFound, machine: undefined };
}

/** Endpoints where a microVM of the machine may be; undefined = there is one, and nobody knows where. */
function placesOf({ machine }: MachineScope): readonly string[] | undefined {
  const { providerID = "" } = machine.spec;
  const recorded = parseProviderId(providerID)?.endpoint;
  const journaled = journalOf(machine)?.endpoint;
  if (providerID !== "" && recorded === undefined && journaled === undefined) return undefined;
  return [...new Set([recorded, journaled].filter((endpoint) => endpoint !== undefined))];
}

/** Nothing of the machine is there any more; or whatever is there was let go; or it has to be waited for. */
type Removal = "gone" | "left" | Outcome;

async function removeFrom(scope: MachineScope, endpoint: string): Promise<Removal> {
  const connection = await connect(scope, endpoint);
  if (!connection.open) return unreachable(scope, endpoint, connection);
  try {
    return await removeAll(scope, connection.host, connection.findings);
  } catch (error) {
    const lost = lostConnection(endpoint, error);
    if (lost !== undefined) return unreachable(scope, endpoint, lost);
    if (scope.signal.aborted || !(error instanceof PlatformError)) throw error;
    const message = `${endpoint}: ${error.message}. It is asked again`;
    scope.world.events.warning(scope.machine, "DeleteFailed", message);
    const outcome = stays(scope, "DeleteFailed", message, connection.findings);
    scope.world.knowledge.hold(scope.uid, outcome.findings, failedAgainMs);
    return { ...outcome, requeueAfterMs: failedAgainMs };
  }
}

async function removeAll(scope: MachineScope, host: Host, reachable: Findings): Promise<Removal> {
  const { world, uid, machine, signal } = scope;
  const owner = ownerOf(machine);
  const { namespace, name } = owner;
  const known = host.synced ? host.knownByName(namespace, name) : [];
  // Before the watch's word that there is none is believed, the host itself confirms it.
  const watched = sortMicroVms(owner, known);
  const { own, others } = isEmpty(watched)
    ? sortMicroVms(owner, await host.list(namespace, name, { signal }))
    : watched;
  const ours = [...(own === undefined ? [] : [own]), ...others];
  for (const microVm of ours) await removeMicroVm(scope, host, microVm, "deletion");
  if (ours.length > 0) {
    const uids = ours.map((microVm) => microVm.uid).join(", ");
    const message = `waiting for ${host.endpoint} to delete the microVM ${uids}`;
    const findings = both(reachable, { ...found("VMProvisioned", "False", "Deleting", message), vmState: "deleting" });
    const outcome = stays(scope, "WaitingForVM", message, findings);
    const sinceMs = Math.max(0, ...ours.map((microVm) => world.knowledge.sinceDeleteMs(uid, microVm.uid)));
    return sinceMs < goneSoonMs
      ? { ...outcome, machine: undefined, requeueAfterMs: goneSoonMs - sinceMs }
      : { ...outcome, requeueAfterMs: lookAgainMs };
  }
  const isRecorded = (machine.spec.providerID ?? "") !== "";
  const quietMs = isRecorded ? 0 : quietFor(scope, host.endpoint);
  if (quietMs === 0) return "gone";
  const message = `${host.endpoint} may still be working on a request for this microVM; it is looked through again when that must have ended`;
  return { ...stays(scope, "WaitingForVM", message, reachable), requeueAfterMs: quietMs };
}

function isEmpty({ own, others }: Sorted): boolean {
  return own === undefined && others.length === 0;
}

/** Milliseconds until no create for this machine can still be under way: somebody else's may have been sent just before we came. */
function quietFor({ world, uid }: MachineScope, endpoint: string): number {
  const journal = world.knowledge.journal(uid);
  if (journal === undefined) {
    world.knowledge.confirm(uid, { endpoint, sent: true });
    world.knowledge.keepQuiet(uid);
  }
  return journal?.sent === false ? 0 : world.knowledge.quietLeftMs(uid);
}

function unreachable(
  scope: MachineScope,
  endpoint: string,
  connection: Connection & { readonly open: false },
): Removal {
  const { world, machine } = scope;
  if (!connection.hopeful && isLettingGo(scope)) {
    const message = `${connection.message}; whatever microVM of this machine ${endpoint} has is left there, as ${annotations.abandonUnreachableHost} says`;
    world.events.warning(machine, "MicroVMAbandoned", message);
    world.logger.warn("machine.microvm_abandoned", { machine: scope.key, host: endpoint });
    return "left";
  }
  const missing = connection.findings.conditions.HostReachable?.reason.startsWith("AccessSecret") === true;
  const words = connection.hopeful
    ? connection.message
    : `${connection.message}. Its microVM may still run there. Bring the host back, or set the annotation ${annotations.abandonUnreachableHost}: "true" to go on without`;
  const outcome = stays(scope, missing ? "AccessSecretMissing" : "HostUnreachable", words, connection.findings);
  const { requeueAfterMs } = connection;
  return requeueAfterMs === undefined ? outcome : { ...outcome, requeueAfterMs };
}

/** On the machine, or on its MicrovmCluster for all. */
function isLettingGo({ machine, microvmCluster }: MachineScope): boolean {
  return isAbandoning(machine) || (microvmCluster !== undefined && isAbandoning(microvmCluster));
}

function hooksOf({ owner }: MachineScope): readonly string[] {
  const names = Object.keys(owner?.metadata?.annotations ?? {});
  return names.filter((name) => name === preTerminateHook || name.startsWith(`${preTerminateHook}/`));
}

function stays(
  { machine }: MachineScope,
  reason: MachineReason<"Deleting">,
  message: string,
  findings: Findings = nothingFound,
): Outcome {
  return { findings: both(findings, found("Deleting", "True", reason, message)), machine };
}
