/** The MicrovmMachines of a cluster: how many on each host, and which on hosts that are in the pool no more. */
import type { ObjectCache } from "@liquidmetal/kubernetes";
import { annotations, type MicrovmCluster, type MicrovmMachine, parseProviderId } from "../api/index.ts";
import { clusterKeyOfMachine, indexKey, ownerClusterKey } from "./ownership.ts";

export function machinesOf(cluster: MicrovmCluster, machines: ObjectCache<MicrovmMachine>): readonly MicrovmMachine[] {
  const key = ownerClusterKey(cluster) ?? clusterKeyOfMachine(cluster);
  return key === undefined ? [] : machines.byIndex("cluster", indexKey(key));
}

/** Where the microVM is, or is being made; undefined = on no host yet. */
export function endpointOf(machine: MicrovmMachine): string | undefined {
  const recorded = machine.spec.providerID === undefined ? undefined : parseProviderId(machine.spec.providerID);
  return recorded?.endpoint ?? (machine.metadata?.annotations?.[annotations.host] || undefined);
}

/** Names of machines by the endpoint where they are. */
export function machinesByEndpoint(machines: readonly MicrovmMachine[]): ReadonlyMap<string, readonly string[]> {
  const byEndpoint = new Map<string, string[]>();
  for (const machine of machines) {
    const endpoint = endpointOf(machine);
    if (endpoint === undefined) continue;
    const names = byEndpoint.get(endpoint) ?? [];
    names.push(machine.metadata?.name ?? "");
    byEndpoint.set(endpoint, names);
  }
  return byEndpoint;
}

/** Of them, those on hosts that are not in the pool, by endpoint; names in order. */
export function strandedMachines(
  cluster: MicrovmCluster,
  byEndpoint: ReadonlyMap<string, readonly string[]>,
): ReadonlyMap<string, readonly string[]> {
  const pool = new Set(cluster.spec.placement.staticPool.hosts.map(({ endpoint }) => endpoint));
  const stranded = [...byEndpoint].filter(([endpoint]) => !pool.has(endpoint)).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return new Map(stranded.map(([endpoint, names]) => [endpoint, names.toSorted()]));
}
