/** What the reconciler of MicrovmClusters needs of the world: ports only. */
import type { Clock, Entropy } from "@liquidmetal/foundation";
import type { KubernetesClient, KubernetesObject, ObjectCache } from "@liquidmetal/kubernetes";
import type { Cluster, IpAddressClaim, MicrovmCluster, MicrovmMachine } from "../api/index.ts";
import type { Hosts } from "../hosts/host.ts";
import type { ProbeControlPlane } from "./control-plane-probes.ts";
import type { ResolveAccess } from "./pool-hosts.ts";

/** Tells people, beside the object, that something happened. Never fails and never waits. */
export type TellEvent = (object: KubernetesObject, type: "Normal" | "Warning", reason: string, message: string) => void;

export interface ClusterDependencies {
  readonly client: KubernetesClient;
  readonly clock: Clock;
  readonly entropy: Entropy;
  /** Indexed by `microvmClusterIndexes`. */
  readonly microvmClusters: ObjectCache<MicrovmCluster>;
  readonly clusters: ObjectCache<Cluster>;
  /** Indexed by `microvmMachineIndexes`. */
  readonly microvmMachines: ObjectCache<MicrovmMachine>;
  readonly ipAddressClaims: ObjectCache<IpAddressClaim>;
  readonly hosts: Hosts;
  readonly resolveAccess: ResolveAccess;
  readonly probe: ProbeControlPlane;
  readonly tellEvent: TellEvent;
  /** Objects of the watch filter. Default all. */
  readonly accepts?: (object: KubernetesObject) => boolean;
  /** The only namespace that is worked on; absent = all. */
  readonly namespace?: string;
  /** Clusters worked on at once. Default 10. */
  readonly concurrency?: number;
}
