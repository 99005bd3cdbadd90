/**
 * What wakes a machine: its Machine, its Cluster, its MicrovmCluster, its host, and room for those that found none.
 *
 * A change wakes only those whom it can concern: a status of the Cluster that is written every minute, or the free memory of a host, must not send
 * thousands of machines through a pass that finds nothing.
 */
import { isDeepStrictEqual } from "node:util";
import { type CacheChange, keyOf, type ObjectKey, type Trigger } from "@liquidmetal/kubernetes";
import {
  type Cluster,
  clusterApiNames,
  infrastructureGroup,
  type Machine,
  type MicrovmCluster,
  type MicrovmMachine,
} from "../api/index.ts";
import type { HostChange } from "../hosts/host.ts";
import type { MachineWorld } from "./dependencies.ts";
import { endpointOf } from "./occupancy.ts";
import { clusterNameOf } from "./readiness.ts";
import { ownerNamed } from "./reconcile.ts";

/** The indexes that the cache of MicrovmMachines must have. */
export const machineIndexes: Readonly<Record<"cluster" | "host", (machine: MicrovmMachine) => readonly string[]>> = {
  /** "namespace/cluster". */
  cluster: (machine) => [`${machine.metadata?.namespace ?? ""}/${clusterNameOf(machine)}`],
  /** Endpoint of the host where its microVM is or shall be. */
  host: (machine) => [endpointOf(machine)].filter((endpoint) => endpoint !== undefined),
};

/** News of a host's free room come in bursts: machines that wait are woken this long after the first, milliseconds. */
const roomAfterMs = 200;
/** …and one after another. */
const roomBetweenMs = 2;

type Enqueue = (key: ObjectKey, afterMs?: number) => void;

export function wakeUps(world: MachineWorld): readonly Trigger[] {
  const { caches, hosts, knowledge, occupancy } = world;
  return [
    {
      start: () =>
        caches.microvmMachines.onChange(({ type, object }) => {
          if (type !== "deleted") return occupancy.see(object);
          const uid = object.metadata?.uid ?? "";
          occupancy.forget(uid);
          knowledge.forget(uid);
        }),
    },
    { start: (enqueue) => caches.machines.onChange((change) => wakeOfMachine(world, change, enqueue)) },
    { start: (enqueue) => caches.clusters.onChange((change) => wakeOfCluster(world, change, enqueue)) },
    { start: (enqueue) => caches.microvmClusters.onChange((change) => wakeOfMicrovmCluster(world, change, enqueue)) },
    {
      start: (enqueue) => {
        knowledge.onRoom = () => wakeWaiting(world, enqueue);
        return hosts.onChange((change) => wakeOfHost(world, change, enqueue));
      },
    },
  ];
}

function wakeOfMachine(_: MachineWorld, change: CacheChange<Machine>, enqueue: Enqueue): void {
  const { object } = change;
  const reference = object.spec?.infrastructureRef;
  if (reference?.apiGroup !== infrastructureGroup || reference.kind !== "MicrovmMachine") return;
  if (change.type === "changed" && isDeepStrictEqual(partOfMachine(object), partOfMachine(change.previous))) return;
  enqueue({ namespace: object.metadata?.namespace ?? "", name: reference.name });
}

/** All of a Machine that a pass reads. */
function partOfMachine({ metadata, spec }: Machine): unknown {
  const { bootstrap, failureDomain, clusterName } = spec ?? {};
  return [bootstrap, failureDomain, clusterName, metadata?.labels, metadata?.annotations, metadata?.deletionTimestamp];
}

function wakeOfCluster(world: MachineWorld, change: CacheChange<Cluster>, enqueue: Enqueue): void {
  const { object } = change;
  const part = ({ spec, status }: Cluster): unknown => [spec?.paused, spec?.infrastructureRef, status?.initialization];
  if (change.type === "changed" && isDeepStrictEqual(part(object), part(change.previous))) return;
  const { namespace = "", name = "" } = object.metadata ?? {};
  wakeCluster(world, `${namespace}/${name}`, enqueue);
}

function wakeOfMicrovmCluster(world: MachineWorld, change: CacheChange<MicrovmCluster>, enqueue: Enqueue): void {
  const { object } = change;
  const part = ({ spec, metadata }: MicrovmCluster): unknown => [
    spec.placement,
    spec.hostAccess,
    spec.sshPublicKeys,
    metadata?.annotations,
    metadata?.labels?.[clusterApiNames.clusterNameLabel],
  ];
  if (change.type === "changed" && isDeepStrictEqual(part(object), part(change.previous))) return;
  const clusterName = ownerNamed(object, "Cluster", "cluster.x-k8s.io") ?? clusterNameOf(object);
  wakeCluster(world, `${object.metadata?.namespace ?? ""}/${clusterName}`, enqueue);
}

function wakeCluster({ caches }: MachineWorld, cluster: string, enqueue: Enqueue): void {
  for (const machine of caches.microvmMachines.byIndex("cluster", cluster)) enqueue(keyOf(machine));
}

function wakeOfHost(world: MachineWorld, change: HostChange, enqueue: Enqueue): void {
  const { caches, knowledge } = world;
  switch (change.type) {
    case "microvm":
    case "microvm-deleted": {
      const { namespace, name } = change.microVm;
      const key = { namespace, name };
      if (caches.microvmMachines.get(key) !== undefined) enqueue(key);
      return;
    }
    case "health":
      for (const machine of caches.microvmMachines.byIndex("host", change.endpoint)) enqueue(keyOf(machine));
      knowledge.hostTold(change.endpoint);
      wakeWaiting(world, enqueue);
      return;
    case "facts":
      knowledge.hostTold(change.endpoint);
      wakeWaiting(world, enqueue);
      return;
    default:
      change satisfies never;
  }
}

function wakeWaiting({ knowledge }: MachineWorld, enqueue: Enqueue): void {
  knowledge.waiting.forEach((key, index) => {
    enqueue(key, roomAfterMs + index * roomBetweenMs);
  });
}
