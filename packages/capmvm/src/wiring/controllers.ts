/** The controllers of capmvm, with what each of them needs: made when this process leads, ended when it does no more. */
import type { Clock, Entropy } from "@liquidmetal/foundation";
import {
  type ControllerOptions,
  type ControllerPorts,
  connectCluster,
  type EventRecorder,
  type KubernetesClient,
  type KubernetesObject,
  type Logger,
  type RunningController,
  startController,
} from "@liquidmetal/kubernetes";
import { microvmClusters, microvmMachinePools, microvmMachines } from "../api/index.ts";
import { clusterController, controlPlaneProbe } from "../cluster/index.ts";
import type { Settings } from "../command-line/settings.ts";
import { HostAccesses, type Hosts, openHosts, secretReader } from "../hosts/index.ts";
import { machineController } from "../machine/machine-controller.ts";
import { OrphanCollector } from "../machine/orphan-collector.ts";
import { machinePoolController } from "../machine-pool/index.ts";
import { machineTemplateController } from "../template/index.ts";
import type { Caches } from "./caches.ts";
import { userAgent } from "./management-cluster.ts";
import { meetHosts } from "./meet-hosts.ts";
import { type ObjectEvents, objectEvents } from "./object-events.ts";

export interface ControllersOptions {
  readonly settings: Settings;
  readonly client: KubernetesClient;
  readonly caches: Caches;
  /** Uid of the namespace kube-system: by it hosts know whose microVMs are whose. */
  readonly managementPlane: string;
  readonly recorder: EventRecorder;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly logger: Logger;
}

export class Controllers implements AsyncDisposable {
  readonly #options: ControllersOptions;
  readonly #hosts: Hosts;
  readonly #accesses: HostAccesses;
  readonly #events: ObjectEvents;
  readonly #stack: AsyncDisposableStack = new AsyncDisposableStack();

  /** The caches have to be synced. */
  constructor(options: ControllersOptions) {
    const { client, clock, entropy, caches, recorder } = options;
    this.#options = options;
    this.#events = objectEvents(recorder, [microvmClusters, microvmMachines, microvmMachinePools]);
    this.#hosts = this.#stack.use(openHosts({ clock, entropy }));
    this.#accesses = this.#stack.use(new HostAccesses({ hosts: this.#hosts, read: secretReader(client), clock }));
    this.#stack.use(
      caches.microvmClusters.onChange((change) => {
        if (change.type === "deleted") this.#accesses.forget(change.object);
      }),
    );
  }

  /** Before the first is started: the hosts of all clusters are connected, as far as they answer soon. */
  async meetHosts(signal: AbortSignal): Promise<void> {
    const { caches, clock, logger } = this.#options;
    const { accessOf } = this.#accesses;
    await meetHosts({ clusters: caches.microvmClusters.list(), hosts: this.#hosts, accessOf, clock, logger, signal });
  }

  startClusters(ports: ControllerPorts): RunningController {
    const { settings, client, caches, entropy } = this.#options;
    const probe = controlPlaneProbe({
      client,
      connect: (configuration) => connectCluster({ configuration, userAgent, connections: 1 }),
    });
    const controller = clusterController({
      ...this.#shared(),
      caches,
      probe,
      entropy,
      concurrency: settings.concurrency.cluster,
      ...(settings.namespace !== undefined && { namespace: settings.namespace }),
    });
    this.#stack.use(controller);
    return this.#start(controller, ports);
  }

  startMachines(ports: ControllerPorts): RunningController {
    const { settings, caches, logger, managementPlane } = this.#options;
    const concurrency = settings.concurrency.machine;
    const controller = machineController({ ...this.#shared(), caches, logger, managementPlane, concurrency });
    return this.#start(controller, ports);
  }

  /** MicroVMs of ours that no machine has any more: told of, or deleted. */
  async startOrphanCollector(signal: AbortSignal): Promise<void> {
    const { settings, caches, logger, managementPlane } = this.#options;
    const { deleteOrphans } = settings;
    const collector = new OrphanCollector({ ...this.#shared(), caches, logger, managementPlane, deleteOrphans });
    this.#stack.use(await collector.start(signal));
  }

  startMachinePools(ports: ControllerPorts): RunningController {
    const { settings, caches, entropy } = this.#options;
    const concurrency = settings.concurrency.machinePool;
    return this.#start(machinePoolController({ ...this.#shared(), caches, entropy, concurrency }), ports);
  }

  startMachineTemplates(ports: ControllerPorts): RunningController {
    const { settings, caches } = this.#options;
    const concurrency = settings.concurrency.machineTemplate;
    return this.#start(machineTemplateController({ ...this.#shared(), caches, concurrency }), ports);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }

  #shared(): {
    readonly client: KubernetesClient;
    readonly hosts: Hosts;
    readonly accessOf: HostAccesses["accessOf"];
    readonly events: ObjectEvents;
    readonly clock: Clock;
    readonly watchFilter: string;
  } {
    const { client, clock, settings } = this.#options;
    return {
      client,
      hosts: this.#hosts,
      accessOf: this.#accesses.accessOf,
      events: this.#events,
      clock,
      watchFilter: settings.watchFilter ?? "",
    };
  }

  #start<T extends KubernetesObject>(controller: ControllerOptions<T>, ports: ControllerPorts): RunningController {
    return startController({ ...controller, resyncPeriodMs: this.#options.settings.syncPeriodMs }, ports);
  }
}
