/** What the reconciler of MicrovmMachinePools needs of the world: ports only. */
import type { Clock, Entropy } from "@liquidmetal/foundation";
import type { KubernetesClient, ObjectCache } from "@liquidmetal/kubernetes";
import type { Cluster, Machine, MachinePool, MicrovmMachine, MicrovmMachinePool } from "../api/index.ts";

export interface MachinePoolEvents {
  normal(object: MicrovmMachinePool, reason: string, message: string): void;
}

export interface MachinePoolCaches {
  readonly microvmMachinePools: ObjectCache<MicrovmMachinePool>;
  readonly machinePools: ObjectCache<MachinePool>;
  /** With the index `cluster` of `machineIndexes`. */
  readonly microvmMachines: ObjectCache<MicrovmMachine>;
  readonly machines: ObjectCache<Machine>;
  readonly clusters: ObjectCache<Cluster>;
}

export interface MachinePoolDependencies {
  readonly client: KubernetesClient;
  readonly caches: MachinePoolCaches;
  readonly events: MachinePoolEvents;
  readonly clock: Clock;
  readonly entropy: Entropy;
  /** Only objects whose label cluster.x-k8s.io/watch-filter equals it. Default "": all. */
  readonly watchFilter?: string;
  /** Pools worked on at once. Default 10. */
  readonly concurrency?: number;
}
