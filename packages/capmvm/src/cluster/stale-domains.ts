/**
 * Failure domains that somebody else wrote, and that are no hosts of the pool any more.
 *
 * Server-side apply takes away what its own manager no longer names, never what another one wrote: upstream's provider wrote domains of clusters that we took over.
 * Left there, control planes would be sent to hosts that are gone. So the list is written as a whole, once, when such a domain is found.
 */
import { type KubernetesClient, keyOf } from "@liquidmetal/kubernetes";
import { type FailureDomain, type MicrovmCluster, microvmClusters } from "../api/index.ts";

/** The cluster as it is afterwards; the very same one when there was nothing to do. */
export async function dropStaleDomains(
  client: KubernetesClient,
  cluster: MicrovmCluster,
  wanted: readonly FailureDomain[] | undefined,
  options: { readonly fieldManager: string; readonly signal: AbortSignal },
): Promise<MicrovmCluster> {
  const names = new Set(wanted?.map(({ name }) => name));
  const stale = cluster.status?.failureDomains?.some(({ name }) => !names.has(name)) ?? false;
  if (wanted === undefined || !stale) return cluster;
  const { uid } = cluster.metadata ?? {};
  const patch = { metadata: uid === undefined ? {} : { uid }, status: { failureDomains: wanted } };
  return client.mergePatch(microvmClusters, keyOf(cluster), patch, { ...options, subresource: "status" });
}
