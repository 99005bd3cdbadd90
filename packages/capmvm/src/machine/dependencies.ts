/** What the machine reconciler is given, and what it knows of one machine while it works on it. */
import type { Clock } from "@liquidmetal/foundation";
import type { KubernetesClient, Logger, ObjectCache, ObjectKey } from "@liquidmetal/kubernetes";
import type { Cluster, Machine, MachinePool, MicrovmCluster, MicrovmMachine } from "../api/index.ts";
import type { HostAccess, Hosts } from "../hosts/host.ts";
import type { Findings } from "./findings.ts";
import type { MachineKnowledge } from "./machine-knowledge.ts";
import type { Occupancy } from "./occupancy.ts";
import type { ChoosePlacement } from "./placement.ts";

/**
 * How a host is reached with what a MicrovmCluster says. Throws HOST_ACCESS_INVALID when a secret is missing or malformed.
 * Without a cluster (it may be gone before its machines): plainly.
 */
export type AccessOf = (
  cluster: MicrovmCluster | undefined,
  endpoint: string,
  options: { readonly signal: AbortSignal },
) => Promise<HostAccess>;

/** Kubernetes Events about a machine or its cluster. */
export interface MachineEvents {
  normal(object: MicrovmMachine | MicrovmCluster, reason: string, message: string): void;
  warning(object: MicrovmMachine | MicrovmCluster, reason: string, message: string): void;
}

/** `microvmMachines` has the index `machineIndexes.cluster` and `machineIndexes.host`. */
export interface MachineCaches {
  readonly microvmMachines: ObjectCache<MicrovmMachine>;
  readonly microvmClusters: ObjectCache<MicrovmCluster>;
  readonly machines: ObjectCache<Machine>;
  readonly clusters: ObjectCache<Cluster>;
  /** Where MachinePools are not served: none. */
  readonly machinePools?: ObjectCache<MachinePool>;
}

export interface MachineDependencies {
  readonly client: KubernetesClient;
  readonly caches: MachineCaches;
  readonly hosts: Hosts;
  readonly accessOf: AccessOf;
  readonly events: MachineEvents;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Uid of the namespace kube-system: by it we know microVMs that this management cluster made. */
  readonly managementPlane: string;
  /** Only objects whose label cluster.x-k8s.io/watch-filter equals it. Default "": all. */
  readonly watchFilter?: string;
  /** Machines worked on at once. Default 10. */
  readonly concurrency?: number;
}

/** The dependencies of the phases. */
export interface MachineWorld extends MachineDependencies {
  readonly knowledge: MachineKnowledge;
  readonly occupancy: Occupancy;
  readonly choosePlacement: ChoosePlacement;
}

/** One machine, as the caches had it at the beginning of this pass; `machine` is the newest that we have seen. */
export interface MachineScope {
  readonly world: MachineWorld;
  readonly key: ObjectKey;
  readonly uid: string;
  readonly machine: MicrovmMachine;
  readonly owner: Machine | undefined;
  readonly cluster: Cluster | undefined;
  readonly microvmCluster: MicrovmCluster | undefined;
  readonly signal: AbortSignal;
}

/** What a phase found, and when to look again even if nothing happens. */
export interface Outcome {
  readonly findings: Findings;
  /** The object as it is after the phase's own writes. Undefined = it is gone, or shall not be written to any more. */
  readonly machine: MicrovmMachine | undefined;
  readonly requeueAfterMs?: number;
}
