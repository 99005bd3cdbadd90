/** The controllers of capmvm, with what each of them needs: made when this process leads, ended when it does no more. */
import type { Clock, Entropy } from "@liquidmetal/foundation";
import {
  type ControllerOptions,
  connectCluster,
  type KubernetesClient,
  type KubernetesObject,
  type Logger,
  type RunningController,
  type RuntimeMetrics,
  startController,
} from "@liquidmetal/kubernetes";
import type { MicrovmCluster, MicrovmMachine } from "../api/index.ts";
import { clusterController, controlPlaneProbe } from "../cluster/index.ts";
import type { Settings } from "../command-line/settings.ts";
import { HostAccesses, openHosts, secretReader } from "../hosts/index.ts";
import { machineController } from "../machine/machine-controller.ts";
import type { Caches } from "./caches.ts";
import { userAgent } from "./management-cluster.ts";

export interface ControllersOptions {
  readonly settings: Settings;
  readonly client: KubernetesClient;
  readonly caches: Caches;
  readonly managementPlane: string;
  readonly events: ObjectEvents;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly logger: Logger;
  readonly metrics: RuntimeMetrics;
}

/** Tells people, beside an object, that something happened. Never fails and never waits. */
export interface ObjectEvents {
  normal(object: KubernetesObject, reason: string, message: string): void;
  warning(object: KubernetesObject, reason: string, message: string): void;
}

export interface Controllers {
  /** Ends what works and lets go of the hosts: within `graceMs`, then what still runs is aborted with `reason`. */
  stop(options: { readonly graceMs: number; readonly reason: unknown }): Promise<void>;
}

/** The caches have to be synced. */
export function startControllers(options: ControllersOptions): Controllers {
  const { settings, client, caches, events, clock, entropy, logger, metrics } = options;
  const { concurrency, watchFilter = "", namespace } = settings;
  const hosts = openHosts({ clock, entropy });
  const accesses = new HostAccesses({ hosts, read: secretReader(client), clock });
  const shared = { client, hosts, accessOf: accesses.accessOf, events, clock, watchFilter };
  const probe = controlPlaneProbe({
    client,
    connect: (configuration) => connectCluster({ configuration, userAgent, connections: 1 }),
  });
  const cluster = clusterController({
    ...shared,
    caches,
    probe,
    entropy,
    concurrency: concurrency.cluster,
    ...(namespace !== undefined && { namespace }),
  });
  const forgotten = caches.microvmClusters.onChange((change) => {
    if (change.type === "deleted") accesses.forget(change.object);
  });
  const machine = machineController({
    ...shared,
    caches,
    logger,
    managementPlane: options.managementPlane,
    concurrency: concurrency.machine,
  });
  const start = <T extends KubernetesObject>(controller: ControllerOptions<T>): RunningController =>
    startController({ ...controller, resyncPeriodMs: settings.syncPeriodMs }, { clock, entropy, logger, metrics });
  const running: readonly RunningController[] = [start<MicrovmCluster>(cluster), start<MicrovmMachine>(machine)];
  return {
    stop: async (how) => {
      await Promise.all(running.map((controller) => controller.stop(how)));
      forgotten[Symbol.dispose]();
      cluster[Symbol.dispose]();
      accesses[Symbol.dispose]();
      await hosts[Symbol.asyncDispose]();
    },
  };
}
