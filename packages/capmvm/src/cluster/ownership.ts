/**
 * How a MicrovmCluster, its Cluster and its machines find each other.
 *
 * Source: Cluster API contract v1beta2 (owner references are set by its controllers; only the group of an owner counts, its version may change).
 */
import type { KubernetesObject, ObjectKey } from "@liquidmetal/kubernetes";
import {
  type Cluster,
  clusterApiGroup,
  clusterApiNames,
  infrastructureGroup,
  type MicrovmCluster,
} from "../api/index.ts";

/** The owning Cluster, in the same namespace. Undefined = nobody has taken it yet. */
export function ownerClusterKey(object: KubernetesObject): ObjectKey | undefined {
  const { namespace = "", ownerReferences = [] } = object.metadata ?? {};
  const owner = ownerReferences.find(
    ({ apiVersion, kind }) => kind === "Cluster" && apiVersion.split("/")[0] === clusterApiGroup,
  );
  return owner === undefined ? undefined : { namespace, name: owner.name };
}

/** The MicrovmCluster that a Cluster refers to; undefined if its infrastructure is of another kind. */
export function microvmClusterKey(cluster: Cluster): ObjectKey | undefined {
  const { infrastructureRef } = cluster.spec ?? {};
  if (infrastructureRef?.apiGroup !== infrastructureGroup || infrastructureRef.kind !== "MicrovmCluster") {
    return undefined;
  }
  return { namespace: cluster.metadata?.namespace ?? "", name: infrastructureRef.name };
}

/** The Cluster that a machine says it belongs to. */
export function clusterKeyOfMachine(machine: KubernetesObject): ObjectKey | undefined {
  const { namespace = "", labels } = machine.metadata ?? {};
  const name = labels?.[clusterApiNames.clusterNameLabel];
  return name === undefined || name === "" ? undefined : { namespace, name };
}

/** Text that an index knows an object of a namespace by. */
export function indexKey({ namespace, name }: ObjectKey): string {
  return `${namespace}/${name}`;
}

/** Indexes that the cache of MicrovmClusters must have for this folder. */
export const microvmClusterIndexes = {
  /** By endpoint of each host of the pool. */
  host: (cluster: MicrovmCluster): readonly string[] =>
    cluster.spec.placement.staticPool.hosts.map(({ endpoint }) => endpoint),
} as const;
