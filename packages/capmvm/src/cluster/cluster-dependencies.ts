/** What the reconciler of MicrovmClusters needs of the world: ports only. */
import type { Clock, Entropy } from "@liquidmetal/foundation";
import type { KubernetesClient, ObjectCache } from "@liquidmetal/kubernetes";
import type { Cluster, IpAddressClaim, MicrovmCluster, MicrovmMachine } from "../api/index.ts";
import type { Hosts } from "../hosts/host.ts";
import type { ProbeControlPlane } from "./control-plane-probes.ts";
import type { AccessOf } from "./pool-hosts.ts";

/** Tells people, beside the object, that something happened. Never fails and never waits. */
export interface ClusterEvents {
  normal(object: MicrovmCluster, reason: string, message: string): void;
  warning(object: MicrovmCluster, reason: string, message: string): void;
}

export interface ClusterCaches {
  /** Indexed by `microvmClusterIndexes`. */
  readonly microvmClusters: ObjectCache<MicrovmCluster>;
  readonly clusters: ObjectCache<Cluster>;
  /** With the index `cluster` of `machineIndexes`. */
  readonly microvmMachines: ObjectCache<MicrovmMachine>;
  readonly ipAddressClaims: ObjectCache<IpAddressClaim>;
}

export interface ClusterDependencies {
  readonly client: KubernetesClient;
  readonly caches: ClusterCaches;
  readonly hosts: Hosts;
  readonly accessOf: AccessOf;
  readonly probe: ProbeControlPlane;
  readonly events: ClusterEvents;
  readonly clock: Clock;
  readonly entropy: Entropy;
  /** Only objects whose label cluster.x-k8s.io/watch-filter equals it. Default "": all. */
  readonly watchFilter?: string;
  /** The only namespace that is worked on; absent = all. Addresses are unique among the clusters that can be seen. */
  readonly namespace?: string;
  /** Clusters worked on at once. Default 10. */
  readonly concurrency?: number;
}
