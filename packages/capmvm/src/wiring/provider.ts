/**
 * capmvm as a whole. The webhooks and probes serve from the beginning, on every instance: the API server needs them to convert objects before anybody can
 * list them. The caches fill before an instance asks to lead, so that it takes over at once. Only the leader's controllers run.
 *
 * Whoever loses the lease stops at once and ends; it is started again by whoever started it.
 */
import { hostname } from "node:os";
import { type Clock, type Entropy, systemClock, systemEntropy } from "@liquidmetal/foundation";
import {
  EventRecorder,
  type KubernetesClient,
  type KubernetesObject,
  type Logger,
  leaderIdentity,
  type RunnableCache,
  RuntimeMetrics,
  runRuntime,
  type Service,
} from "@liquidmetal/kubernetes";
import type { Settings } from "../command-line/settings.ts";
import { type Caches, openCaches } from "./caches.ts";
import { Controllers } from "./controllers.ts";
import { clusterConfiguration, managementClient, managementPlaneId } from "./management-cluster.ts";
import { servers } from "./servers.ts";

/** Upstream's: of this provider and of upstream's only one works at a time. */
const leaseName = "controller-leader-elect-capmvm";

export interface ProviderOptions {
  readonly settings: Settings;
  readonly logger: Logger;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Ends it in order. */
  readonly stop: AbortSignal;
}

/** Resolves when it has ended as asked. Throws CONFIG_INVALID, KUBECONFIG_INVALID, DEADLINE_EXCEEDED (caches do not fill), LEADERSHIP_LOST. */
export async function runProvider({ settings, logger, environment, stop }: ProviderOptions): Promise<void> {
  const { clock, entropy } = { clock: systemClock, entropy: systemEntropy };
  const metrics = new RuntimeMetrics({ processMetrics: true });
  const configuration = await clusterConfiguration(settings);
  const client = managementClient(configuration, { logger, metrics, connections: connectionsOf(settings) });
  const instance = environment["POD_NAME"] ?? hostname();
  const caches = openCaches(client, { logger, ...(settings.namespace && { namespace: settings.namespace }) });
  const { enabled, namespace, ...timing } = settings.leaderElection;
  try {
    const world = { settings, client, caches, clock, entropy, logger, metrics, instance };
    const controllers = new ControllersWhileLeading(world);
    await runRuntime(
      {
        ...{ clock, entropy, logger, metrics },
        services: servers({ settings, client, logger, metrics }),
        caches: Object.entries(caches).map(([name, cache]: [string, RunnableCache<KubernetesObject>]) => ({
          name,
          cache,
        })),
        leaderServices: [controllers],
        controllers: [
          (ports) => controllers.running.startClusters(ports),
          (ports) => controllers.running.startMachines(ports),
          (ports) => controllers.running.startMachinePools(ports),
          (ports) => controllers.running.startMachineTemplates(ports),
        ],
        ...(enabled && {
          leaderElection: {
            ...timing,
            client,
            lease: {
              namespace: namespace ?? environment["POD_NAMESPACE"] ?? configuration.namespace,
              name: leaseName,
            },
            identity: leaderIdentity(instance, entropy),
          },
        }),
      },
      stop,
    );
  } finally {
    await client.close();
  }
}

/** One for each worker, and some for caches, the lease and events. */
function connectionsOf({ concurrency }: Settings): number {
  const workers = Object.values(concurrency).reduce((sum, count) => sum + count, 0);
  return Math.min(1_000, workers + 8);
}

interface World {
  readonly settings: Settings;
  readonly client: KubernetesClient;
  readonly caches: Caches;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly logger: Logger;
  readonly metrics: RuntimeMetrics;
  /** Name of the pod or machine, as in Events. */
  readonly instance: string;
}

/** What the controllers share: connections to hosts and the writer of Events, from the moment of leading until it ends. */
class ControllersWhileLeading implements Service {
  readonly name = "hosts";
  readonly #world: World;
  #controllers: Controllers | undefined;

  constructor(world: World) {
    this.#world = world;
  }

  get running(): Controllers {
    if (this.#controllers === undefined) throw new Error("the controllers are started before what they share");
    return this.#controllers;
  }

  async start(signal: AbortSignal): Promise<AsyncDisposable> {
    const { client, clock, entropy, logger, metrics, instance } = this.#world;
    const managementPlane = await managementPlaneId(client, { clock, entropy, logger, signal });
    const recorder = new EventRecorder({ client, component: "capmvm", instance, clock, entropy, logger, metrics });
    const controllers = new Controllers({ ...this.#world, managementPlane, recorder });
    this.#controllers = controllers;
    await controllers.meetHosts(signal);
    await controllers.startOrphanCollector(signal);
    return {
      [Symbol.asyncDispose]: async () => {
        await controllers[Symbol.asyncDispose]();
        await recorder[Symbol.asyncDispose]();
      },
    };
  }
}
