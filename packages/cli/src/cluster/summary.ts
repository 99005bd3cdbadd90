/** Clusters with their control planes and worker pools: three lists, however many clusters there are. */
import type { KubernetesClient } from "@liquidmetal/kubernetes";
import {
  type Cluster,
  type Conditioned,
  type ControlPlane,
  clusterNameLabel,
  clusters,
  controlPlanes,
  machineDeployments,
  machinePools,
} from "./objects.ts";
import type { ClusterSummary } from "./present.ts";

/** `namespace` absent = all. By namespace and name. */
export async function listSummaries(
  client: KubernetesClient,
  namespace: string | undefined,
  signal: AbortSignal,
): Promise<readonly ClusterSummary[]> {
  const where = { signal, ...(namespace === undefined ? {} : { namespace }) };
  const [all, planes, deployments, pools] = await Promise.all([
    client.list(clusters, where),
    client.list(controlPlanes, where),
    client.list(machineDeployments, where),
    client.list(machinePools, where),
  ]);
  const workers = [...deployments.items, ...pools.items];
  return all.items
    .map((cluster) => {
      const mine = (each: Conditioned): boolean => belongs(each, cluster);
      const controlPlane = planes.items.find(
        ({ metadata }) =>
          metadata?.namespace === cluster.metadata?.namespace && metadata?.name === cluster.spec?.controlPlaneRef?.name,
      );
      return { cluster, pools: workers.filter(mine), ...(controlPlane === undefined ? {} : { controlPlane }) };
    })
    .sort((left, right) => (sortKey(left) < sortKey(right) ? -1 : 1));
}

export async function readSummary(
  client: KubernetesClient,
  cluster: Cluster,
  signal: AbortSignal,
): Promise<ClusterSummary> {
  // Not by label: what was just made has none yet.
  const where = { namespace: cluster.metadata?.namespace ?? "", signal };
  const [deployments, pools, controlPlane] = await Promise.all([
    client.list(machineDeployments, where),
    client.list(machinePools, where),
    controlPlaneOf(client, cluster, signal),
  ]);
  return {
    cluster,
    pools: [...deployments.items, ...pools.items].filter((each) => belongs(each, cluster)),
    ...(controlPlane === undefined ? {} : { controlPlane }),
  };
}

/** Undefined for control planes that are not kubeadm's, and while there is none. */
export async function controlPlaneOf(
  client: KubernetesClient,
  { metadata, spec }: Cluster,
  signal: AbortSignal,
): Promise<ControlPlane | undefined> {
  const reference = spec?.controlPlaneRef;
  if (reference?.kind !== controlPlanes.kind) return undefined;
  return client.find(controlPlanes, { namespace: metadata?.namespace ?? "", name: reference.name }, { signal });
}

function belongs(object: Conditioned, cluster: Cluster): boolean {
  if (object.metadata?.namespace !== cluster.metadata?.namespace) return false;
  const name = cluster.metadata?.name;
  const named = object as { readonly spec?: { readonly clusterName?: string } };
  return object.metadata?.labels?.[clusterNameLabel] === name || named.spec?.clusterName === name;
}

const sortKey = ({ cluster }: ClusterSummary): string =>
  `${cluster.metadata?.namespace ?? ""}/${cluster.metadata?.name ?? ""}`;
