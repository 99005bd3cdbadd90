/** The controller of MicrovmMachineTemplates: it keeps their status true, and does nothing else. */
import {
  applyStatus,
  type ControllerOptions,
  isNotFound,
  isPaused,
  type KubernetesClient,
  keyOf,
  type ObjectCache,
  type ObjectKey,
  watchFilter,
  watchObjects,
} from "@liquidmetal/kubernetes";
import {
  type Cluster,
  fieldManager,
  type MicrovmCluster,
  type MicrovmMachineTemplate,
  microvmMachineTemplates,
} from "../api/index.ts";
import { microvmClusterKey, ownerClusterKey } from "../cluster/ownership.ts";
import { templateStatusOf } from "./template-status.ts";

export interface TemplateDependencies {
  readonly client: KubernetesClient;
  readonly caches: {
    readonly microvmMachineTemplates: ObjectCache<MicrovmMachineTemplate>;
    readonly microvmClusters: ObjectCache<MicrovmCluster>;
    readonly clusters: ObjectCache<Cluster>;
  };
  /** Only objects whose label cluster.x-k8s.io/watch-filter equals it. Default "": all. */
  readonly watchFilter?: string;
  /** Templates worked on at once. Default 10. */
  readonly concurrency?: number;
}

export function machineTemplateController(world: TemplateDependencies): ControllerOptions<MicrovmMachineTemplate> {
  const { client, caches, concurrency } = world;
  return {
    name: "microvmmachinetemplate",
    resource: microvmMachineTemplates,
    cache: caches.microvmMachineTemplates,
    triggers: [
      watchObjects(
        caches.microvmClusters,
        (cluster) => templatesOf(caches.microvmMachineTemplates, ownerClusterKey(cluster)).map(keyOf),
        (change) =>
          change.type === "added" || (change.type === "changed" && read(change.previous) !== read(change.object)),
      ),
      // What was left alone while the Cluster was paused (as during a move) is looked at when it goes on.
      watchObjects(
        caches.clusters,
        (cluster) => templatesOf(caches.microvmMachineTemplates, keyOf(cluster)).map(keyOf),
        (change) => change.type === "changed" && change.previous.spec?.paused !== change.object.spec?.paused,
      ),
    ],
    reconcile: async (key, { signal }) => {
      const template = caches.microvmMachineTemplates.get(key);
      if (template === undefined || template.metadata?.deletionTimestamp !== undefined) return undefined;
      const owner = ownerClusterKey(template);
      const cluster = owner && caches.clusters.get(owner);
      if (isPaused(cluster, template)) return undefined;
      const infrastructure = cluster && microvmClusterKey(cluster);
      const status = templateStatusOf(template, infrastructure && caches.microvmClusters.get(infrastructure));
      try {
        const written = await applyStatus(client, microvmMachineTemplates, template, status, { fieldManager, signal });
        if (written !== template) caches.microvmMachineTemplates.learn(written);
      } catch (error) {
        if (!isNotFound(error)) throw error;
      }
      return undefined;
    },
    accepts: watchFilter(world.watchFilter ?? ""),
    ...(concurrency === undefined ? {} : { concurrency }),
  };
}

/** Cluster API makes the Cluster an owner of the templates that it uses. */
function templatesOf(
  cache: ObjectCache<MicrovmMachineTemplate>,
  owner: ObjectKey | undefined,
): readonly MicrovmMachineTemplate[] {
  return owner === undefined
    ? []
    : cache.list(owner.namespace).filter((template) => ownerClusterKey(template)?.name === owner.name);
}

/** What of a MicrovmCluster the status is made of. */
function read({ spec, status }: MicrovmCluster): string {
  return JSON.stringify([
    spec.placement.staticPool.hosts.map(({ endpoint, labels }) => [endpoint, labels]),
    status?.hosts?.map(({ endpoint, platform }) => [endpoint, platform]),
  ]);
}
