/**
 * One pass over a MicrovmMachine: gather what belongs to it, branch, write the status if it says something new.
 *
 * Paused objects get the condition and nothing else. Deletion needs nothing but the object itself. Everything that is found is in the conditions;
 * only what the API server refuses is thrown, and tried again by the queue.
 */
import {
  applyStatus,
  isConflict,
  isNotFound,
  isPaused,
  type ObjectKey,
  type OwnerReference,
  pausedCondition,
  type ReconcileContext,
  type ReconcileResult,
  watchFilter,
} from "@liquidmetal/kubernetes";
import {
  type Cluster,
  clusterApiGroup,
  fieldManager,
  infrastructureGroup,
  type Machine,
  type MicrovmCluster,
  type MicrovmMachine,
  microvmMachines,
} from "../api/index.ts";
import { remove } from "./deletion.ts";
import type { MachineScope, MachineWorld, Outcome } from "./dependencies.ts";
import { both, found, nothingFound } from "./findings.ts";
import { statusAfter } from "./machine-status.ts";
import { tellOf } from "./milestones.ts";
import { observe } from "./observe.ts";
import { provision } from "./provision.ts";
import { clusterNameOf } from "./readiness.ts";

/** An object that nobody has taken as his own after this time, in milliseconds, says so. Cluster API sets the owner within seconds. */
const ownerSoonMs = 30_000;
const conflictMs = 20;

export async function reconcileMachine(
  world: MachineWorld,
  key: ObjectKey,
  context: ReconcileContext,
): Promise<ReconcileResult | undefined> {
  const machine = world.caches.microvmMachines.get(key);
  if (machine === undefined || !watchFilter(world.watchFilter ?? "")(machine)) return undefined;
  const scope = scopeOf(world, key, machine, context.signal);
  if (isPaused(scope.cluster, machine)) {
    await report(scope, { findings: nothingFound, machine });
    return undefined;
  }
  try {
    const outcome = await pass(scope);
    await report(scope, outcome);
    const { requeueAfterMs } = outcome;
    return requeueAfterMs === undefined ? undefined : { requeueAfterMs };
  } catch (error) {
    if (!isConflict(error)) throw error;
    return await readAgain(scope);
  }
}

/** Somebody else wrote meanwhile, which is daily business: what there is now is looked at afresh. */
async function readAgain({ world, key, signal }: MachineScope): Promise<ReconcileResult | undefined> {
  const now = await world.client.find(microvmMachines, key, { signal });
  world.logger.debug("machine.conflict", { machine: key, gone: now === undefined });
  if (now === undefined) return undefined;
  world.caches.microvmMachines.learn(now);
  return { requeueAfterMs: conflictMs };
}

async function pass(scope: MachineScope): Promise<Outcome> {
  const { machine, owner, world } = scope;
  if (machine.metadata?.deletionTimestamp !== undefined) return await remove(scope);
  if ((machine.spec.providerID ?? "") !== "") return await observe(scope);
  if (owner !== undefined) return await provision(scope);
  const ageMs = world.clock.nowMs() - Date.parse(machine.metadata?.creationTimestamp ?? "");
  if (ageMs < ownerSoonMs) return { findings: nothingFound, machine: undefined, requeueAfterMs: ownerSoonMs - ageMs };
  const message = "waiting for a Machine that has this object as its infrastructure: it is not used by itself";
  return { findings: found("VMProvisioned", "False", "WaitingForClusterInfrastructure", message), machine };
}

function scopeOf(world: MachineWorld, key: ObjectKey, machine: MicrovmMachine, signal: AbortSignal): MachineScope {
  const { caches } = world;
  const { namespace } = key;
  const named = ownerNamed(machine, "Machine", clusterApiGroup);
  const owner = named === undefined ? undefined : caches.machines.get({ namespace, name: named });
  const clusterName =
    (owner === undefined ? "" : clusterNameOf(owner)) || owner?.spec?.clusterName || clusterNameOf(machine);
  const cluster = clusterName === "" ? undefined : caches.clusters.get({ namespace, name: clusterName });
  const microvmCluster = microvmClusterOf(world, namespace, clusterName, cluster);
  return { world, key, uid: machine.metadata?.uid ?? "", machine, owner, cluster, microvmCluster, signal };
}

/** By the Cluster's reference; when the Cluster is gone, whichever says that it belongs to it. */
function microvmClusterOf(
  { caches }: MachineWorld,
  namespace: string,
  clusterName: string,
  cluster: Cluster | undefined,
): MicrovmCluster | undefined {
  const reference = cluster?.spec?.infrastructureRef;
  if (reference !== undefined) {
    const ours = reference.apiGroup === infrastructureGroup && reference.kind === "MicrovmCluster";
    return ours ? caches.microvmClusters.get({ namespace, name: reference.name }) : undefined;
  }
  if (clusterName === "") return undefined;
  return caches.microvmClusters
    .list(namespace)
    .find((one) => clusterNameOf(one) === clusterName || ownerNamed(one, "Cluster", clusterApiGroup) === clusterName);
}

/** The version does not matter: only the group does. */
export function ownerNamed(
  object: MicrovmMachine | MicrovmCluster | Machine,
  kind: string,
  group: string,
): string | undefined {
  const isIt = (reference: OwnerReference): boolean =>
    reference.kind === kind && reference.apiVersion.split("/")[0] === group;
  return object.metadata?.ownerReferences?.find(isIt)?.name;
}

/** Writes the status if it says something new, and tells of milestones once that is written. */
async function report(scope: MachineScope, { findings, machine }: Outcome): Promise<void> {
  if (machine === undefined) return;
  const { world, cluster, signal } = scope;
  const { status, message = "" } = pausedCondition(cluster, machine);
  const paused = found("Paused", status, status === "True" ? "Paused" : "NotPaused", message);
  const after = statusAfter(machine, both(findings, paused), world.clock.nowMs());
  if (after === undefined) return;
  try {
    const written = await applyStatus(world.client, microvmMachines, machine, after, { fieldManager, signal });
    world.caches.microvmMachines.learn(written);
  } catch (error) {
    // Gone meanwhile: nothing is left to say.
    if (isNotFound(error)) return;
    throw error;
  }
  tellOf(world.events, machine, after);
}
