/** Which microVMs of this host may meet, where the host isolates groups of them: those of one cluster. */
import type { MicroVmSpec } from "@liquidmetal/microvm";

/** Set by capmvm, upstream's too: name of the Cluster. */
export const clusterNameLabel = "cluster-name";

/** Chooses a group without being a cluster, or the same one for several clusters of a namespace; empty = none. */
export const networkGroupLabel = "liquidmetal.dev/network-group";

/**
 * Name of the group; undefined = without one. The namespace is part of it: clusters of one name in two namespaces are two groups, and nobody joins a group of another namespace.
 * By name, and not by the uid of an object: guests made before and after a cluster moved to another management cluster have to meet.
 */
export function isolationGroupOf({ namespace, labels }: Pick<MicroVmSpec, "namespace" | "labels">): string | undefined {
  const group = labels[networkGroupLabel] ?? labels[clusterNameLabel] ?? "";
  return group === "" ? undefined : `${namespace}/${group}`;
}
