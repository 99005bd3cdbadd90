/** Everything that belongs to one cluster, read at once or followed. */
import { type KubernetesClient, type ObjectKey, openCache, type RunnableCache } from "@liquidmetal/kubernetes";
import {
  type Cluster,
  type Conditioned,
  type ControlPlane,
  clusterNameLabel,
  clusters,
  controlPlanes,
  type Machine,
  type MicrovmMachine,
  machineDeployments,
  machinePools,
  machines,
  microvmClusters,
  microvmMachines,
  type WorkerPool,
} from "../objects.ts";

export interface ClusterObjects {
  /** Absent = the Cluster is not there (any more). */
  readonly cluster?: Cluster;
  readonly controlPlane?: ControlPlane;
  readonly infrastructure?: Conditioned;
  readonly machines: readonly Machine[];
  readonly machineDeployments: readonly WorkerPool[];
  readonly machinePools: readonly WorkerPool[];
  readonly microvmMachines: readonly MicrovmMachine[];
}

/** One look. */
export async function readClusterObjects(
  client: KubernetesClient,
  key: ObjectKey,
  signal: AbortSignal,
): Promise<ClusterObjects> {
  const selection = { namespace: key.namespace, labelSelector: `${clusterNameLabel}=${key.name}`, signal };
  const [cluster, planes, infrastructures, ofMachines, deployments, pools, ofMicrovms] = await Promise.all([
    client.find(clusters, key, { signal }),
    client.list(controlPlanes, selection),
    client.list(microvmClusters, selection),
    client.list(machines, selection),
    client.list(machineDeployments, selection),
    client.list(machinePools, selection),
    client.list(microvmMachines, selection),
  ]);
  return arranged(cluster, {
    controlPlanes: planes.items,
    infrastructures: infrastructures.items,
    machines: ofMachines.items,
    machineDeployments: deployments.items,
    machinePools: pools.items,
    microvmMachines: ofMicrovms.items,
  });
}

export interface FollowOptions {
  readonly signal: AbortSignal;
  /** The API server cannot be asked for now; it is asked again. */
  readonly onProblem?: (error: unknown) => void;
}

/** What is there, and again after every change; changes that come together are told as one. Ends with the signal's reason. */
export async function* followClusterObjects(
  client: KubernetesClient,
  key: ObjectKey,
  options: FollowOptions,
): AsyncGenerator<ClusterObjects> {
  const { namespace, name } = key;
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  const observer = options.onProblem === undefined ? {} : { observer: { onProblem: options.onProblem } };
  const selection = { namespace, labelSelector: `${clusterNameLabel}=${name}`, ...observer };
  const caches = {
    cluster: openCache(client, clusters, { namespace, fieldSelector: `metadata.name=${name}`, ...observer }),
    controlPlanes: openCache(client, controlPlanes, selection),
    infrastructures: openCache(client, microvmClusters, selection),
    machines: openCache(client, machines, selection),
    machineDeployments: openCache(client, machineDeployments, selection),
    machinePools: openCache(client, machinePools, selection),
    microvmMachines: openCache(client, microvmMachines, selection),
  };
  const all: readonly RunnableCache<Conditioned>[] = Object.values(caches) as RunnableCache<Conditioned>[];
  const changed = new ChangeFlag(signal);
  const listening = all.map((cache) => cache.onChange(() => changed.raise()));
  const running = Promise.all(all.map((cache) => cache.start(signal)));
  try {
    await Promise.all(all.map((cache) => cache.synced(signal)));
    for (;;) {
      changed.lower();
      yield arranged(caches.cluster.get(key), {
        controlPlanes: caches.controlPlanes.list(),
        infrastructures: caches.infrastructures.list(),
        machines: caches.machines.list(),
        machineDeployments: caches.machineDeployments.list(),
        machinePools: caches.machinePools.list(),
        microvmMachines: caches.microvmMachines.list(),
      });
      await changed.raised();
    }
  } finally {
    for (const each of listening) each[Symbol.dispose]();
    stop.abort();
    await running;
  }
}

/** Objects of every kind, unordered. */
interface Found {
  readonly controlPlanes: readonly ControlPlane[];
  readonly infrastructures: readonly Conditioned[];
  readonly machines: readonly Machine[];
  readonly machineDeployments: readonly WorkerPool[];
  readonly machinePools: readonly WorkerPool[];
  readonly microvmMachines: readonly MicrovmMachine[];
}

export function arranged(cluster: Cluster | undefined, found: Found): ClusterObjects {
  const [controlPlane] = chosen(found.controlPlanes, cluster?.spec?.controlPlaneRef?.name);
  const [infrastructure] = chosen(found.infrastructures, cluster?.spec?.infrastructureRef?.name);
  return {
    ...(cluster === undefined ? {} : { cluster }),
    ...(controlPlane === undefined ? {} : { controlPlane }),
    ...(infrastructure === undefined ? {} : { infrastructure }),
    machines: found.machines.toSorted(byAge),
    machineDeployments: found.machineDeployments.toSorted(byName),
    machinePools: found.machinePools.toSorted(byName),
    microvmMachines: found.microvmMachines,
  };
}

function chosen<T extends Conditioned>(objects: readonly T[], name: string | undefined): readonly T[] {
  return name === undefined ? objects : objects.filter(({ metadata }) => metadata?.name === name);
}

const byName = (left: Conditioned, right: Conditioned): number =>
  (left.metadata?.name ?? "") < (right.metadata?.name ?? "") ? -1 : 1;

function byAge(left: Conditioned, right: Conditioned): number {
  const [mine = "", other = ""] = [left.metadata?.creationTimestamp, right.metadata?.creationTimestamp];
  return mine === other ? byName(left, right) : mine < other ? -1 : 1;
}

/** Raised by changes, awaited by one. */
class ChangeFlag {
  #waiting: PromiseWithResolvers<void> = Promise.withResolvers();
  readonly #signal: AbortSignal;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  raise(): void {
    this.#waiting.resolve();
  }

  lower(): void {
    this.#waiting = Promise.withResolvers();
  }

  async raised(): Promise<void> {
    const waiting = this.#waiting;
    const abort = (): void => waiting.reject(this.#signal.reason);
    if (this.#signal.aborted) throw this.#signal.reason;
    this.#signal.addEventListener("abort", abort, { once: true });
    try {
      await waiting.promise;
    } finally {
      this.#signal.removeEventListener("abort", abort);
    }
  }
}
