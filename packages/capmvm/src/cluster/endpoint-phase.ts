/** Phase: the endpoint of the control plane, found, allocated, or claimed. Writes `spec.controlPlaneEndpoint` when it comes from a pool; never changes one. */
import { isConflict, type KubernetesClient } from "@liquidmetal/kubernetes";
import { canonicalHost } from "../address/ip-address.ts";
import { type ApiEndpoint, type Cluster, fieldManager, type MicrovmCluster, microvmClusters } from "../api/index.ts";
import type { AddressAllocator } from "./address-allocation.ts";
import { claimAddress } from "./address-claim.ts";
import type { ClusterCaches } from "./cluster-dependencies.ts";
import { type Said, said } from "./cluster-findings.ts";
import { type EndpointSource, endpointSource, formatEndpoint } from "./endpoint.ts";
import { takenAddresses } from "./taken-addresses.ts";

export interface EndpointPhase {
  readonly condition: Said<"EndpointAvailable">;
  /** Undefined = not known yet, or in dispute. */
  readonly endpoint?: ApiEndpoint;
  /** The object after the endpoint was written to it. */
  readonly written?: MicrovmCluster;
  /** True = somebody wrote at the same moment: look again soon. */
  readonly again?: true;
}

export interface EndpointPhaseOptions {
  readonly client: KubernetesClient;
  readonly allocator: AddressAllocator;
  readonly caches: ClusterCaches;
}

export async function endpointPhase(
  options: EndpointPhaseOptions,
  cluster: Cluster,
  object: MicrovmCluster,
  signal: AbortSignal,
): Promise<EndpointPhase> {
  const source = endpointSource(cluster, object);
  switch (source.from) {
    case "cluster":
    case "microvm-cluster":
      return { condition: said("True", "Available"), endpoint: source.endpoint };
    case "both":
      return { condition: said("False", "EndpointChanged", disputed(source.cluster, source.microvmCluster)) };
    case "nowhere":
      return {
        condition: said(
          "False",
          "WaitingForEndpoint",
          "neither the Cluster nor the MicrovmCluster has a controlPlaneEndpoint: set one, or give a controlPlaneAddressPool",
        ),
      };
    case "contradiction":
      return { condition: said("False", "AddressPoolInvalid", source.message) };
    case "addresses":
      return await allocated(options, object, source, signal);
    case "pool":
      return await claimed(options, cluster, object, source, signal);
    default:
      return source satisfies never;
  }
}

function disputed(theirs: ApiEndpoint, ours: ApiEndpoint): string {
  return (
    `the Cluster has ${formatEndpoint(theirs)} and the MicrovmCluster ${formatEndpoint(ours)}: ` +
    "the Cluster's is in use; make the MicrovmCluster's the same"
  );
}

async function allocated(
  { allocator }: EndpointPhaseOptions,
  object: MicrovmCluster,
  source: Extract<EndpointSource, { from: "addresses" }>,
  signal: AbortSignal,
): Promise<EndpointPhase> {
  const allocation = await allocator.allocate(object, source, signal);
  switch (allocation.outcome) {
    case "allocated":
      return { condition: said("True", "Available"), endpoint: allocation.endpoint, written: allocation.object };
    case "exhausted":
      return { condition: said("False", "AddressPoolExhausted", allocation.message) };
    case "invalid":
      return { condition: said("False", "AddressPoolInvalid", allocation.message) };
    case "contended":
      return { condition: said("False", "WaitingForEndpoint", "an address is being allocated"), again: true };
    default:
      return allocation satisfies never;
  }
}

async function claimed(
  options: EndpointPhaseOptions,
  cluster: Cluster,
  object: MicrovmCluster,
  { poolRef, port }: Extract<EndpointSource, { from: "pool" }>,
  signal: AbortSignal,
): Promise<EndpointPhase> {
  const { client, caches } = options;
  const clusterName = cluster.metadata?.name ?? "";
  const claim = await claimAddress(client, caches.ipAddressClaims, object, { poolRef, clusterName }, signal);
  if (claim.state === "waiting") return { condition: said("False", "WaitingForAddress", claim.message) };
  if (claim.state === "invalid") return { condition: said("False", "AddressPoolInvalid", claim.message) };
  const holder = holderOf(options, object, claim.address);
  if (holder !== undefined) {
    const message = `${poolRef.kind} ${poolRef.name} gave ${claim.address}, which ${holder} has: take it out of the pool`;
    return { condition: said("False", "AddressPoolInvalid", message) };
  }
  const endpoint = { host: canonicalHost(claim.address), port };
  const { resourceVersion, uid, namespace = "", name = "" } = object.metadata ?? {};
  const patch = { metadata: { uid, resourceVersion }, spec: { controlPlaneEndpoint: endpoint } };
  try {
    const written = await client.mergePatch(microvmClusters, { namespace, name }, patch, { fieldManager, signal });
    caches.microvmClusters.learn(written);
    return { condition: said("True", "Available"), endpoint, written };
  } catch (error) {
    if (!isConflict(error)) throw error;
    return { condition: said("False", "WaitingForAddress", `${claim.address} is being written down`), again: true };
  }
}

function holderOf(options: EndpointPhaseOptions, object: MicrovmCluster, address: string): string | undefined {
  const { microvmClusters, clusters } = options.caches;
  const world = { microvmClusters: microvmClusters.list(), clusters: clusters.list(), microvmMachines: [] };
  return takenAddresses(world, object).get(canonicalHost(address));
}
