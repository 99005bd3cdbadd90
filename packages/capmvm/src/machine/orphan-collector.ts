/**
 * Looks through the hosts for microVMs that nobody claims, and tells of them; with `deleteOrphans` it deletes those of which it is certain.
 *
 * Certain means: made by this management cluster, for the MicrovmCluster that is there now; seen without a machine for longer than the grace; neither Cluster nor
 * MicrovmCluster paused (clusterctl move pauses both) nor deleted; and the API server itself, not only the cache, says that there is no such machine.
 * It looks from time to time, and when a machine or a microVM gives cause to.
 */
import { type Clock, PlatformError, type Timer } from "@liquidmetal/foundation";
import { isPaused, type KubernetesClient, type Logger } from "@liquidmetal/kubernetes";
import { type MicrovmCluster, microvmMachines, parseProviderId } from "../api/index.ts";
import type { Host, HostMicroVm, Hosts } from "../hosts/host.ts";
import type { AccessOf, MachineCaches, MachineEvents } from "./dependencies.ts";
import { identityOf } from "./journal.ts";
import { isOfCluster, isOrphan } from "./orphans.ts";
import { clusterNameOf } from "./readiness.ts";

export interface OrphanCollectorOptions {
  readonly client: KubernetesClient;
  /** Synced before the collector is started. */
  readonly caches: Pick<MachineCaches, "microvmMachines" | "microvmClusters" | "clusters">;
  readonly hosts: Hosts;
  readonly accessOf: AccessOf;
  readonly events: MachineEvents;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly managementPlane: string;
  /** Default false: they are told of and stay. */
  readonly deleteOrphans?: boolean;
  /** How long one must have been without a machine, milliseconds. Default 600,000. */
  readonly graceMs?: number;
  /** How often it looks without a cause, milliseconds. Default 600,000. */
  readonly periodMs?: number;
}

interface Seen {
  readonly sinceMs: number;
  told: boolean;
}

export class OrphanCollector {
  readonly name = "orphan-collector";
  readonly #options: Required<OrphanCollectorOptions>;
  /** By endpoint and uid. */
  readonly #seen: Map<string, Seen> = new Map();
  #timer: Timer | undefined;
  #dueMs = Number.POSITIVE_INFINITY;
  #running: Promise<void> | undefined;

  constructor(options: OrphanCollectorOptions) {
    this.#options = { deleteOrphans: false, graceMs: 600_000, periodMs: 600_000, ...options };
  }

  async start(signal: AbortSignal): Promise<AsyncDisposable> {
    const { caches, hosts, graceMs, periodMs } = this.#options;
    const ended = new AbortController();
    const any = AbortSignal.any([signal, ended.signal]);
    const soon = (): void => this.#lookAfter(1_000, any);
    const sources = new DisposableStack();
    sources.use(caches.microvmMachines.onChange(({ type }) => type === "deleted" && this.#lookAfter(graceMs, any)));
    sources.use(
      hosts.onChange((change) => {
        if (change.type === "microvm" && this.#isUnclaimed(change.endpoint, change.microVm)) soon();
      }),
    );
    this.#lookAfter(periodMs, any);
    return {
      [Symbol.asyncDispose]: async () => {
        sources.dispose();
        this.#timer?.cancel();
        ended.abort(new PlatformError("CANCELLED", "the controller is stopping"));
        await this.#running;
      },
    };
  }

  /** One look at all hosts of all clusters. What cannot be reached is passed over. */
  async look(signal: AbortSignal): Promise<void> {
    const there = new Set<string>();
    let complete = true;
    for (const cluster of this.#options.caches.microvmClusters.list()) {
      for (const { endpoint } of cluster.spec.placement.staticPool.hosts) {
        try {
          await this.#lookAt(cluster, endpoint, there, signal);
        } catch (error) {
          if (!(error instanceof PlatformError)) throw error;
          complete = false;
          this.#options.logger.debug("orphans.host_skipped", { host: endpoint, error });
        }
      }
    }
    if (complete) for (const key of this.#seen.keys()) if (!there.has(key)) this.#seen.delete(key);
  }

  async #lookAt(cluster: MicrovmCluster, endpoint: string, there: Set<string>, signal: AbortSignal): Promise<void> {
    const { accessOf, hosts, clock, graceMs } = this.#options;
    const host = hosts.host(await accessOf(cluster, endpoint, { signal }));
    if (host.health().state !== "reachable") throw new PlatformError("HOST_UNREACHABLE", `${endpoint} does not answer`);
    for (const microVm of await host.list(cluster.metadata?.namespace ?? "", undefined, { signal })) {
      if (!this.#isUnclaimed(endpoint, microVm)) continue;
      const key = `${endpoint} ${microVm.uid}`;
      there.add(key);
      const seen = this.#seen.get(key) ?? { sinceMs: clock.monotonicMs(), told: false };
      this.#seen.set(key, seen);
      const ageMs = clock.monotonicMs() - seen.sinceMs;
      if (ageMs < graceMs) this.#lookAfter(graceMs - ageMs, signal);
      else if (microVm.labels["cluster-name"] === clusterNameOf(cluster))
        await this.#settle(cluster, host, microVm, seen, signal);
    }
  }

  async #settle(
    cluster: MicrovmCluster,
    host: Host,
    microVm: HostMicroVm,
    seen: Seen,
    signal: AbortSignal,
  ): Promise<void> {
    const { events, logger, deleteOrphans } = this.#options;
    const what = `the microVM ${microVm.uid} (${microVm.namespace}/${microVm.name}) on ${host.endpoint}`;
    if (deleteOrphans && (await this.#isCertain(cluster, microVm, signal))) {
      await host.delete(microVm.uid, { signal });
      logger.warn("orphans.deleted", { host: host.endpoint, uid: microVm.uid });
      events.warning(cluster, "OrphanDeleted", `deleted ${what}: it was made for a machine that is no more`);
    } else if (!seen.told) {
      logger.warn("orphans.found", { host: host.endpoint, uid: microVm.uid });
      events.warning(
        cluster,
        "OrphanFound",
        `${what} was made for a machine that is no more; nobody will delete it but you`,
      );
    }
    seen.told = true;
  }

  async #isCertain(cluster: MicrovmCluster, microVm: HostMicroVm, signal: AbortSignal): Promise<boolean> {
    const { caches, client } = this.#options;
    const { uid = "", namespace = "", deletionTimestamp } = cluster.metadata ?? {};
    const owner = caches.clusters.get({ namespace, name: clusterNameOf(cluster) });
    if (deletionTimestamp !== undefined || owner === undefined || isPaused(owner, cluster)) return false;
    if (!isOfCluster(microVm, uid)) return false;
    const machine = await client.find(
      microvmMachines,
      { namespace: microVm.namespace, name: microVm.name },
      { signal },
    );
    return machine === undefined || identityOf(machine) !== microVm.identity;
  }

  #isUnclaimed(endpoint: string, microVm: HostMicroVm): boolean {
    const { managementPlane, caches } = this.#options;
    return isOrphan(endpoint, microVm, {
      managementPlane,
      machineOf: (namespace, name) => caches.microvmMachines.get({ namespace, name }),
      isRecorded: (at, uid) =>
        caches.microvmMachines
          .byIndex("host", at)
          .some(({ spec }) => parseProviderId(spec.providerID ?? "")?.uid === uid),
    });
  }

  /** The earliest of several wishes wins. */
  #lookAfter(delayMs: number, signal: AbortSignal): void {
    const { clock, periodMs, logger } = this.#options;
    const dueMs = clock.monotonicMs() + delayMs;
    if (signal.aborted || dueMs >= this.#dueMs) return;
    this.#timer?.cancel();
    this.#dueMs = dueMs;
    this.#timer = clock.timer(delayMs, () => {
      this.#dueMs = Number.POSITIVE_INFINITY;
      this.#running = (this.#running ?? Promise.resolve())
        .then(() => this.look(signal))
        .catch((error: unknown) => {
          if (!signal.aborted) logger.error("orphans.look_failed", { error });
        });
      this.#lookAfter(periodMs, signal);
    });
  }
}
