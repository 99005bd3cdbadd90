/** The controller of MicrovmMachinePools: what wakes it, and what it then does. */
import {
  type ControllerOptions,
  type KeyMapping,
  type ObjectKey,
  toOwners,
  watchFilter,
  watchObjects,
} from "@liquidmetal/kubernetes";
import {
  type Cluster,
  clusterApiNames,
  infrastructureGroup,
  type Machine,
  type MachinePool,
  type MicrovmMachinePool,
  microvmMachinePools,
} from "../api/index.ts";
import { labelValue } from "./new-member.ts";
import type { MachinePoolDependencies } from "./pool-dependencies.ts";
import { deleteMachineAnnotation } from "./pool-member.ts";
import { PoolReconciler } from "./pool-reconciler.ts";

export function machinePoolController(world: MachinePoolDependencies): ControllerOptions<MicrovmMachinePool> {
  const { caches, concurrency } = world;
  const reconciler = new PoolReconciler(world);
  const poolsOf = (namespace: string | undefined, matches: (pool: MachinePool) => boolean): readonly ObjectKey[] =>
    caches.machinePools
      .list(namespace ?? "")
      .filter(matches)
      .flatMap(infrastructureOf);
  const ofCluster: KeyMapping<Cluster> = ({ metadata }) =>
    poolsOf(metadata?.namespace, ({ spec }) => spec?.clusterName === metadata?.name);
  const ofMachine: KeyMapping<Machine> = ({ metadata }) => {
    const label = metadata?.labels?.[clusterApiNames.machinePoolLabel];
    if (label === undefined) return [];
    return poolsOf(metadata?.namespace, (pool) => labelValue(pool.metadata?.name ?? "") === label);
  };
  return {
    name: "microvmmachinepool",
    resource: microvmMachinePools,
    cache: caches.microvmMachinePools,
    triggers: [
      watchObjects(caches.machinePools, infrastructureOf),
      watchObjects(caches.microvmMachines, toOwners(microvmMachinePools)),
      watchObjects(
        caches.machines,
        ofMachine,
        (change) => change.type !== "changed" || read(change.previous) !== read(change.object),
      ),
      watchObjects(
        caches.clusters,
        ofCluster,
        (change) => change.type !== "changed" || readCluster(change.previous) !== readCluster(change.object),
      ),
    ],
    reconcile: (key, context) => reconciler.reconcile(key, context),
    accepts: watchFilter(world.watchFilter ?? ""),
    ...(concurrency === undefined ? {} : { concurrency }),
  };
}

function infrastructureOf({ metadata, spec }: MachinePool): readonly ObjectKey[] {
  const reference = spec?.template?.spec?.infrastructureRef;
  if (reference?.apiGroup !== infrastructureGroup || reference.kind !== "MicrovmMachinePool") return [];
  return [{ namespace: metadata?.namespace ?? "", name: reference.name }];
}

/** Of a Machine: what decides who goes first, and whether it goes. */
function read({ metadata }: Machine): string {
  return JSON.stringify([metadata?.annotations?.[deleteMachineAnnotation], metadata?.deletionTimestamp]);
}

function readCluster({ spec, status, metadata }: Cluster): string {
  return JSON.stringify([spec?.paused, status?.initialization?.infrastructureProvisioned, metadata?.deletionTimestamp]);
}
