/** The controller of MicrovmClusters: what wakes it, and what it then does. */
import {
  type CacheChange,
  type ControllerOptions,
  findCondition,
  isExternallyManaged,
  keyOf,
  type Trigger,
  toOwners,
  watchFilter,
  watchObjects,
} from "@liquidmetal/kubernetes";
import { type Cluster, type MicrovmCluster, type MicrovmMachine, microvmClusters } from "../api/index.ts";
import type { ClusterDependencies } from "./cluster-dependencies.ts";
import { endpointOf } from "./cluster-machines.ts";
import { ClusterReconciler } from "./cluster-reconciler.ts";
import { ControlPlaneProbes } from "./control-plane-probes.ts";
import { clusterKeyOfMachine, microvmClusterKey } from "./ownership.ts";

/** Numbers of hosts that come up are gathered this long before the cluster is looked at. */
const numbersGatherMs = 2_000;

export function clusterController(world: ClusterDependencies): ControllerOptions<MicrovmCluster> & Disposable {
  const probes = new ControlPlaneProbes(world);
  const reconciler = new ClusterReconciler(world, probes);
  const { caches } = world;
  const passes = watchFilter(world.watchFilter ?? "");
  return {
    name: "microvmcluster",
    resource: microvmClusters,
    cache: caches.microvmClusters,
    triggers: [
      watchObjects(caches.clusters, (cluster) => present(microvmClusterKey(cluster)), matters),
      machinesTrigger(world),
      watchObjects(caches.ipAddressClaims, toOwners(microvmClusters)),
      freedAddressTrigger(world),
      hostsTrigger(world),
      probes,
    ],
    reconcile: (key, context) => reconciler.reconcile(key, context),
    accepts: (object) => passes(object) && !isExternallyManaged(object),
    ...(world.concurrency === undefined ? {} : { concurrency: world.concurrency }),
    [Symbol.dispose]: () => probes[Symbol.dispose](),
  };
}

/** Of a Cluster: what we read. Its status changes far more often. */
function matters(change: CacheChange<Cluster>): boolean {
  if (change.type !== "changed") return true;
  const read = ({ spec, status, metadata }: Cluster): string =>
    JSON.stringify([
      spec?.paused,
      spec?.controlPlaneEndpoint,
      spec?.infrastructureRef,
      status?.initialization?.controlPlaneInitialized,
      metadata?.deletionTimestamp,
    ]);
  return read(change.previous) !== read(change.object);
}

/** A machine that comes, is to go, goes, or gets its host: counted, and waited for by a deletion. */
function machinesTrigger({ caches: { microvmMachines, clusters } }: ClusterDependencies): Trigger {
  const clusterOf = (machine: MicrovmMachine): ReturnType<typeof microvmClusterKey> => {
    const key = clusterKeyOfMachine(machine);
    const cluster = key && clusters.get(key);
    return cluster && microvmClusterKey(cluster);
  };
  return {
    start: (enqueue) =>
      microvmMachines.onChange((change) => {
        if (change.type === "changed" && placeOf(change.previous) === placeOf(change.object)) return;
        // A Cluster that is gone already has left its MicrovmCluster behind, most likely by the same name.
        const key = clusterOf(change.object) ?? clusterKeyOfMachine(change.object);
        const goes = change.type === "deleted" || change.object.metadata?.deletionTimestamp !== undefined;
        if (key !== undefined) enqueue(key, goes ? 0 : numbersGatherMs);
      }),
  };
}

function placeOf(machine: MicrovmMachine): string {
  return `${endpointOf(machine) ?? ""} ${machine.metadata?.deletionTimestamp === undefined ? "stays" : "goes"}`;
}

/** An address that becomes free may be what others wait for. */
function freedAddressTrigger({ caches: { microvmClusters: cache } }: ClusterDependencies): Trigger {
  return {
    start: (enqueue) =>
      cache.onChange((change) => {
        if (change.type !== "deleted") return;
        for (const waiting of cache.list()) {
          const condition = findCondition(waiting.status?.conditions, "EndpointAvailable");
          if (condition?.reason === "AddressPoolExhausted") enqueue(keyOf(waiting));
        }
      }),
  };
}

/** Health is told at once; numbers are gathered. */
function hostsTrigger({ hosts, caches: { microvmClusters: cache } }: ClusterDependencies): Trigger {
  return {
    start: (enqueue) =>
      hosts.onChange(({ type, endpoint }) => {
        if (type !== "health" && type !== "facts") return;
        for (const cluster of cache.byIndex("host", endpoint)) {
          enqueue(keyOf(cluster), type === "health" ? 0 : numbersGatherMs);
        }
      }),
  };
}

function present<T>(value: T | undefined): readonly T[] {
  return value === undefined ? [] : [value];
}
