/**
 * What capmvm knows of the management cluster: one cache for each kind that it looks at, kept true by list and watch.
 *
 * Secrets are not among them: they are read one by one by their names, so that no list of all secrets is in memory, nor the right to list them in the role.
 */
import {
  type CacheObserver,
  type CacheOptions,
  type KubernetesClient,
  type KubernetesObject,
  keepOwnManagedFields,
  type Logger,
  openCache,
  type Resource,
  type RunnableCache,
  withoutManagedFields,
} from "@liquidmetal/kubernetes";
import {
  type Cluster,
  clusters,
  fieldManager,
  type IpAddressClaim,
  ipAddressClaims,
  type Machine,
  type MachinePool,
  type MicrovmCluster,
  type MicrovmMachine,
  type MicrovmMachinePool,
  type MicrovmMachineTemplate,
  machinePools,
  machines,
  microvmClusters,
  microvmMachinePools,
  microvmMachines,
  microvmMachineTemplates,
} from "../api/index.ts";
import { microvmClusterIndexes } from "../cluster/index.ts";
import { machineIndexes } from "../machine/wake-ups.ts";

type IndexFunctions<T extends KubernetesObject> = NonNullable<CacheOptions<T>["indexes"]>;

export interface Caches {
  readonly clusters: RunnableCache<Cluster>;
  readonly machines: RunnableCache<Machine>;
  readonly machinePools: RunnableCache<MachinePool>;
  readonly ipAddressClaims: RunnableCache<IpAddressClaim>;
  readonly microvmClusters: RunnableCache<MicrovmCluster>;
  readonly microvmMachines: RunnableCache<MicrovmMachine>;
  readonly microvmMachinePools: RunnableCache<MicrovmMachinePool>;
  readonly microvmMachineTemplates: RunnableCache<MicrovmMachineTemplate>;
}

export interface CachesOptions {
  /** Absent = all namespaces. */
  readonly namespace?: string;
  readonly logger: Logger;
}

/** Nothing is asked before they are started. */
export function openCaches(client: KubernetesClient, options: CachesOptions): Caches {
  const { namespace, logger } = options;
  const settings = (kind: Resource): { observer: CacheObserver; namespace?: string } => ({
    observer: observerOf(kind, logger),
    ...(namespace !== undefined && { namespace }),
  });
  const open = <T extends KubernetesObject>(kind: Resource<T>, transform?: (object: T) => T): RunnableCache<T> =>
    openCache(client, kind, { ...settings(kind), ...(transform !== undefined && { transform }) });
  /** What we write: with our own entry of the managed fields, by which a restart sees that nothing has to be written again. */
  const openOurs = <T extends KubernetesObject>(kind: Resource<T>, indexes: IndexFunctions<T> = {}): RunnableCache<T> =>
    openCache(client, kind, { ...settings(kind), indexes, transform: keepOwnManagedFields(fieldManager) });
  return {
    clusters: open(clusters),
    machines: open(machines, withoutStatus),
    machinePools: open(machinePools),
    ipAddressClaims: open(ipAddressClaims),
    microvmClusters: openOurs(microvmClusters, microvmClusterIndexes),
    microvmMachines: openOurs(microvmMachines, machineIndexes),
    microvmMachinePools: openOurs(microvmMachinePools),
    microvmMachineTemplates: openOurs(microvmMachineTemplates),
  };
}

/** Of Machines, of which there are as many as microVMs, nobody here reads the status: most of the object. */
function withoutStatus({ status: _, ...machine }: Machine): Machine {
  return withoutManagedFields(machine);
}

function observerOf({ plural, group }: Resource, logger: Logger): CacheObserver {
  const resource = group === "" ? plural : `${plural}.${group}`;
  return {
    onListed: ({ objects, durationMs }) =>
      logger.info("cache.listed", { resource, objects, durationMs: Math.round(durationMs) }),
    onProblem: (error) => logger.warn("cache.stale", { resource, error }),
    onRecovered: () => logger.info("cache.recovered", { resource }),
    onDefect: (error) => logger.error("cache.defect", { resource, error }),
  };
}
