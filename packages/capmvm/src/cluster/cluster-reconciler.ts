/**
 * A MicrovmCluster from its spec to its status: endpoint, hosts, failure domains, and whether the control plane answers.
 *
 * Provisioned = endpoint and failure domains are known, once and for ever: Cluster API makes no machine before, and must not stop when a host goes down.
 * Nothing here waits for a host or an API server: what is not known yet is said, and news wakes the cluster again.
 */
import {
  addFinalizer,
  applyStatus,
  isExternallyManaged,
  isNotFound,
  isPaused,
  keyText,
  type ObjectKey,
  type ReconcileContext,
  type ReconcileResult,
  removeFinalizer,
} from "@liquidmetal/kubernetes";
import {
  type Cluster,
  clusterFinalizer,
  fieldManager,
  type MicrovmCluster,
  type MicrovmClusterStatus,
  microvmClusters,
} from "../api/index.ts";
import { AccessSecretLabels } from "./access-secrets.ts";
import { AddressAllocator } from "./address-allocation.ts";
import { releaseAddress } from "./address-claim.ts";
import type { ClusterDependencies } from "./cluster-dependencies.ts";
import { eventsBetween } from "./cluster-events.ts";
import { type ClusterFindings, said } from "./cluster-findings.ts";
import { machinesByEndpoint, machinesOf, strandedMachines } from "./cluster-machines.ts";
import { statusAfter, statusWhilePaused } from "./cluster-status.ts";
import { controlPlaneCondition } from "./control-plane-condition.ts";
import type { ControlPlaneProbes } from "./control-plane-probes.ts";
import { endpointPhase } from "./endpoint-phase.ts";
import { failureDomainsOf } from "./failure-domains.ts";
import { HostRoom } from "./host-room.ts";
import { hostStatusesOf } from "./host-statuses.ts";
import { few, hostsCondition } from "./hosts-condition.ts";
import { ownerClusterKey } from "./ownership.ts";
import { lookAtHosts } from "./pool-hosts.ts";
import { dropStaleDomains } from "./stale-domains.ts";
import { SteadyWords } from "./steady-words.ts";

/** Secrets are not watched: while one is missing or cannot be used it is looked at again this often, jittered. */
const secretRetryMs = 15_000;

/** Connections to hosts without microVMs are let go when nobody asks for them: asking keeps their health true. */
const askHostsEveryMs = 240_000;

export class ClusterReconciler {
  readonly #world: ClusterDependencies;
  readonly #probes: ControlPlaneProbes;
  readonly #allocator: AddressAllocator;
  readonly #secretLabels: AccessSecretLabels;
  readonly #words: SteadyWords = new SteadyWords();
  readonly #room: HostRoom = new HostRoom();
  /** When the numbers of a cluster's hosts were last written, in monotonic milliseconds. */
  readonly #numbersToldMs: Map<string, number> = new Map();

  constructor(world: ClusterDependencies, probes: ControlPlaneProbes) {
    this.#world = world;
    this.#probes = probes;
    this.#allocator = new AddressAllocator({ ...world, ...world.caches });
    this.#secretLabels = new AccessSecretLabels(world.client, world.clock);
  }

  async reconcile(key: ObjectKey, { signal }: ReconcileContext): Promise<ReconcileResult | undefined> {
    const object = this.#world.caches.microvmClusters.get(key);
    if (object === undefined || isExternallyManaged(object)) {
      this.#forget(key, object);
      return undefined;
    }
    const owner = ownerClusterKey(object);
    const cluster = owner === undefined ? undefined : this.#world.caches.clusters.get(owner);
    if (isPaused(cluster, object)) {
      this.#probes.forget(key);
      await this.#write(object, statusWhilePaused(object, cluster, this.#world.clock.nowMs()), signal);
      return undefined;
    }
    if (object.metadata?.deletionTimestamp !== undefined) return await this.#delete(key, object, cluster, signal);
    if (cluster === undefined) return await this.#waitForOwner(object, owner, signal);
    return await this.#work(key, object, cluster, signal);
  }

  async #work(
    key: ObjectKey,
    before: MicrovmCluster,
    cluster: Cluster,
    signal: AbortSignal,
  ): Promise<ReconcileResult | undefined> {
    const { client, clock, entropy, hosts, accessOf, caches } = this.#world;
    const held = await addFinalizer(client, microvmClusters, before, clusterFinalizer, { fieldManager, signal });
    if (held === undefined) return undefined;
    caches.microvmClusters.learn(held);
    await this.#secretLabels.ensure(held, signal);
    const phase = await endpointPhase({ client, caches, allocator: this.#allocator }, cluster, held, signal);
    const object = phase.written ?? held;
    const looked = await lookAtHosts(object, hosts, accessOf, signal);
    const pool = this.#words.settle(object, key, looked, clock.monotonicMs());
    const machines = machinesOf(object, caches.microvmMachines);
    const full = this.#room.fullSince(object, key, pool, machines, clock.nowMs());
    const domains = failureDomainsOf(pool, clock.nowMs(), full);
    const byEndpoint = machinesByEndpoint(machines);
    const numbers = new Map([...byEndpoint].map(([endpoint, names]) => [endpoint, names.length]));
    const toldMs = this.#numbersToldMs.get(keyText(key));
    const statuses = hostStatusesOf(object, pool, numbers, toldMs, clock.monotonicMs());
    const reachable = controlPlaneCondition(key, cluster, object, phase.endpoint, this.#probes);
    const findings: ClusterFindings = {
      conditions: {
        EndpointAvailable: phase.condition,
        HostsAvailable: hostsCondition(pool, strandedMachines(object, byEndpoint)),
        ...(reachable === undefined ? {} : { ControlPlaneReachable: reachable }),
        Deleting: said("False", "NotDeleting"),
      },
      failureDomains: domains.failureDomains,
      hosts: statuses.hosts,
      ...(phase.endpoint !== undefined && domains.failureDomains.length > 0 ? { provisioned: true } : {}),
    };
    await this.#write(object, statusAfter(object, cluster, findings, clock.nowMs()), signal);
    if (statuses.fresh) this.#numbersToldMs.set(keyText(key), clock.monotonicMs());
    const waits = [
      askHostsEveryMs * (0.75 + entropy.fraction() / 2),
      phase.again === true ? 200 + 800 * entropy.fraction() : undefined,
      pool.some(({ fault }) => fault !== undefined) ? secretRetryMs * (0.5 + entropy.fraction()) : undefined,
      domains.changesAfterMs,
      statuses.changesAfterMs,
    ].filter((wait) => wait !== undefined);
    return { requeueAfterMs: Math.min(...waits) };
  }

  /** Cluster API sets the owner soon after both are there. */
  async #waitForOwner(object: MicrovmCluster, owner: ObjectKey | undefined, signal: AbortSignal): Promise<undefined> {
    const message =
      owner === undefined
        ? "no Cluster refers to this MicrovmCluster yet (spec.infrastructureRef)"
        : `the Cluster ${owner.name} is not there`;
    const findings: ClusterFindings = {
      conditions: { EndpointAvailable: said("Unknown", "WaitingForEndpoint", message) },
    };
    await this.#write(object, statusAfter(object, undefined, findings, this.#world.clock.nowMs()), signal);
  }

  /** Waits for the machines, gives the address back, lets go. Hosts are not asked: whether they answer is for the machines to find out. */
  async #delete(
    key: ObjectKey,
    object: MicrovmCluster,
    cluster: Cluster | undefined,
    signal: AbortSignal,
  ): Promise<undefined> {
    const { client, clock, caches } = this.#world;
    this.#probes.forget(key);
    if (object.metadata?.finalizers?.includes(clusterFinalizer) !== true) return;
    const waiting = async (
      reason: "WaitingForMachines" | "WaitingForAddressRelease",
      message: string,
    ): Promise<undefined> => {
      const findings: ClusterFindings = { conditions: { Deleting: said("True", reason, message) } };
      await this.#write(object, statusAfter(object, cluster, findings, clock.nowMs()), signal);
    };
    const names = machinesOf(object, caches.microvmMachines).map(({ metadata }) => metadata?.name ?? "");
    if (names.length > 0) {
      const subject = names.length === 1 ? "1 MicrovmMachine is" : `${names.length} MicrovmMachines are`;
      return await waiting("WaitingForMachines", `${subject} still there: ${few(names.toSorted(), 5, ", ")}`);
    }
    if (!(await releaseAddress(client, caches.ipAddressClaims, object, signal))) {
      return await waiting("WaitingForAddressRelease", "the IPAM provider has not taken the address back yet");
    }
    await removeFinalizer(client, microvmClusters, object, clusterFinalizer, { fieldManager, signal });
    this.#forget(key, object);
  }

  async #write(object: MicrovmCluster, status: MicrovmClusterStatus, signal: AbortSignal): Promise<void> {
    const { client, caches, events } = this.#world;
    try {
      const applied = await applyStatus(client, microvmClusters, object, status, { fieldManager, signal });
      const written = await dropStaleDomains(client, applied, status.failureDomains, { fieldManager, signal });
      if (written === object) return;
      caches.microvmClusters.learn(written);
      for (const { type, reason, message } of eventsBetween(object, written)) {
        if (type === "Normal") events.normal(written, reason, message);
        else events.warning(written, reason, message);
      }
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }

  #forget(key: ObjectKey, object: MicrovmCluster | undefined): void {
    this.#probes.forget(key);
    this.#numbersToldMs.delete(keyText(key));
    this.#words.forget(key);
    this.#room.forget(key);
    if (object?.metadata?.uid !== undefined) this.#secretLabels.forget(object.metadata.uid);
  }
}
