/**
 * Which addresses are in use, and by whom: endpoints of every cluster (given, allocated, or being allocated), static addresses of machines, hosts of the pools.
 *
 * Only what is an address is told; names in DNS are nobody's business here.
 */
import { canonicalHost, parseIpAddress } from "../address/ip-address.ts";
import type { Cluster, MicrovmCluster, MicrovmMachine } from "../api/index.ts";
import { indexKey, ownerClusterKey } from "./ownership.ts";

/** On a MicrovmCluster, while an address is being allocated to it: see AddressAllocator. */
export const addressClaimAnnotation = "capmvm.liquidmetal.dev/address-claim";

export interface AddressWorld {
  readonly microvmClusters: readonly MicrovmCluster[];
  readonly clusters: readonly Cluster[];
  readonly microvmMachines: readonly MicrovmMachine[];
}

/** Canonical address to what has it, for people. What `self` and its own Cluster have is left out. */
export function takenAddresses(world: AddressWorld, self: MicrovmCluster): ReadonlyMap<string, string> {
  const taken = new Map<string, string>();
  const take = (host: string | undefined, holder: string): void => {
    if (host === undefined || host === "") return;
    const address = canonicalHost(host);
    if (parseIpAddress(address) !== undefined && !taken.has(address)) taken.set(address, holder);
  };
  const ownCluster = ownerClusterKey(self);
  for (const cluster of world.clusters) {
    const { namespace = "", name = "" } = cluster.metadata ?? {};
    if (ownCluster?.namespace === namespace && ownCluster.name === name) continue;
    take(cluster.spec?.controlPlaneEndpoint?.host, `Cluster ${indexKey({ namespace, name })}`);
  }
  for (const other of world.microvmClusters) {
    const { uid, namespace = "", name = "", annotations } = other.metadata ?? {};
    for (const { endpoint } of other.spec.placement.staticPool.hosts) take(hostOf(endpoint), `host ${endpoint}`);
    if (uid === self.metadata?.uid) continue;
    take(other.spec.controlPlaneEndpoint?.host, `MicrovmCluster ${indexKey({ namespace, name })}`);
    take(annotations?.[addressClaimAnnotation], `MicrovmCluster ${indexKey({ namespace, name })}`);
  }
  for (const machine of world.microvmMachines) {
    const { namespace = "", name = "" } = machine.metadata ?? {};
    for (const { address } of machine.spec.networkInterfaces) {
      take(address?.split("/")[0], `MicrovmMachine ${indexKey({ namespace, name })}`);
    }
  }
  return taken;
}

function hostOf(endpoint: string): string {
  const colon = endpoint.lastIndexOf(":");
  return colon < 0 ? endpoint : endpoint.slice(0, colon);
}
