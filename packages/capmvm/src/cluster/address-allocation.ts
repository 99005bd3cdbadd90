/**
 * Gives each MicrovmCluster with a list of addresses one that nobody else has, for as long as the cluster exists.
 *
 * What is allocated is `spec.controlPlaneEndpoint`, nothing else: it survives restarts and moves, and an address is free when no object names it.
 * One process allocates one address at a time. Two processes (two instances for different namespaces, a leader that does not know yet that it is none) are
 * kept apart as in Lamport's bakery: first the wish is written as an annotation, then everything is read anew from the server, and only who sees no other
 * wish for the same address takes it; of two who see each other both step back and try again. The endpoint is written only onto the very version of the
 * object that was read with the wish on it.
 */
import { Semaphore } from "@liquidmetal/foundation";
import { ApiError, isConflict, type KubernetesClient, type ObjectCache } from "@liquidmetal/kubernetes";
import { type AddressPool, nextFree, parseAddressPool, poolHolds } from "../address/address-pool.ts";
import { parseIpAddress } from "../address/ip-address.ts";
import {
  type ApiEndpoint,
  type Cluster,
  clusters,
  type MicrovmCluster,
  type MicrovmMachine,
  microvmClusters,
} from "../api/index.ts";
import { completeEndpoint } from "./endpoint.ts";
import { type AddressWorld, addressClaimAnnotation, takenAddresses } from "./taken-addresses.ts";

export type Allocation =
  | { readonly outcome: "allocated"; readonly endpoint: ApiEndpoint; readonly object: MicrovmCluster }
  | { readonly outcome: "exhausted"; readonly message: string }
  | { readonly outcome: "invalid"; readonly message: string }
  /** Somebody else wants the same address at this moment, or the object changed under way: try again soon. */
  | { readonly outcome: "contended" };

export interface AddressAllocatorOptions {
  readonly client: KubernetesClient;
  readonly microvmClusters: ObjectCache<MicrovmCluster>;
  readonly clusters: ObjectCache<Cluster>;
  readonly microvmMachines: ObjectCache<MicrovmMachine>;
  /** Only this namespace is read; absent = all. Addresses are unique among the clusters that are read. */
  readonly namespace?: string;
}

/** Owns the wish and then the endpoint: applying the one drops the other. */
const endpointManager = "capmvm-endpoint";

export class AddressAllocator {
  readonly #options: AddressAllocatorOptions;
  readonly #turn: Semaphore = new Semaphore(1);

  constructor(options: AddressAllocatorOptions) {
    this.#options = options;
  }

  async allocate(
    cluster: MicrovmCluster,
    from: { readonly addresses: readonly string[]; readonly port: number },
    signal: AbortSignal,
  ): Promise<Allocation> {
    const pool = parseAddressPool(from.addresses);
    if (!pool.ok) return { outcome: "invalid", message: pool.error.map(({ message }) => message).join("; ") };
    return await this.#turn.run(() => this.#next(cluster, pool.value, from, signal).catch(contendedIfConflict), signal);
  }

  async #next(
    cluster: MicrovmCluster,
    pool: AddressPool,
    from: { readonly addresses: readonly string[]; readonly port: number },
    signal: AbortSignal,
  ): Promise<Allocation> {
    const taken = takenAddresses(this.#cached(), cluster);
    const wish = cluster.metadata?.annotations?.[addressClaimAnnotation];
    const address = wish !== undefined && isFree(pool, taken, wish) ? wish : nextFree(pool, taken);
    if (address === undefined) {
      if (wish !== undefined) await this.#apply(cluster, {}, signal);
      return { outcome: "exhausted", message: exhaustion(from.addresses, pool, taken) };
    }
    return await this.#take(cluster, { host: address, port: from.port }, signal);
  }

  async #take(cluster: MicrovmCluster, endpoint: ApiEndpoint, signal: AbortSignal): Promise<Allocation> {
    if (cluster.metadata?.annotations?.[addressClaimAnnotation] !== endpoint.host) {
      await this.#apply(cluster, { metadata: { annotations: { [addressClaimAnnotation]: endpoint.host } } }, signal);
    }
    const world = await this.#fresh(signal);
    const self = world.microvmClusters.find(({ metadata }) => metadata?.uid === cluster.metadata?.uid);
    if (self?.metadata?.annotations?.[addressClaimAnnotation] !== endpoint.host) return { outcome: "contended" };
    if (completeEndpoint(self.spec.controlPlaneEndpoint) !== undefined) return { outcome: "contended" };
    if (takenAddresses(world, self).has(endpoint.host)) {
      await this.#apply(self, {}, signal);
      return { outcome: "contended" };
    }
    const written = await this.#apply(self, { spec: { controlPlaneEndpoint: endpoint } }, signal);
    return { outcome: "allocated", endpoint, object: written };
  }

  /**
   * Onto the version that was read and no other: whoever applies less than before takes away what is missing, so a wish that is written late would take
   * away an endpoint. Never makes the object again if it is gone: the uid would not match.
   */
  async #apply(
    cluster: MicrovmCluster,
    fields: { readonly metadata?: object; readonly spec?: object },
    signal: AbortSignal,
  ): Promise<MicrovmCluster> {
    const { client, microvmClusters: cache } = this.#options;
    const { uid, resourceVersion, namespace = "", name = "" } = cluster.metadata ?? {};
    const wished = (one: MicrovmCluster): boolean => one.metadata?.annotations?.[addressClaimAnnotation] !== undefined;
    try {
      const applied = await client.apply(
        microvmClusters,
        { namespace, name },
        { ...fields, metadata: { uid, resourceVersion, ...fields.metadata } },
        { fieldManager: endpointManager, force: false, signal },
      );
      const leftOver = fields.metadata === undefined && wished(applied);
      const written = leftOver ? await this.#dropWish(applied, signal) : applied;
      cache.learn(written);
      return written;
    } catch (error) {
      // The next attempt finds no wish and makes its own.
      if (isFieldConflict(error) && wished(cluster)) cache.learn(await this.#dropWish(cluster, signal));
      throw error;
    }
  }

  /** A wish that others own with us or instead of us (a move that was cut off leaves clusterctl as its owner) does not go with ours. */
  async #dropWish({ metadata = {} }: MicrovmCluster, signal: AbortSignal): Promise<MicrovmCluster> {
    const { uid, resourceVersion, namespace = "", name = "" } = metadata;
    const patch = { metadata: { uid, resourceVersion, annotations: { [addressClaimAnnotation]: null } } };
    const options = { fieldManager: endpointManager, signal };
    return await this.#options.client.mergePatch(microvmClusters, { namespace, name }, patch, options);
  }

  #cached(): AddressWorld {
    const { microvmClusters, clusters, microvmMachines, namespace } = this.#options;
    return {
      microvmClusters: microvmClusters.list(namespace),
      clusters: clusters.list(namespace),
      microvmMachines: microvmMachines.list(namespace),
    };
  }

  /** From the server itself: a cache would not know the newest wishes of others. */
  async #fresh(signal: AbortSignal): Promise<AddressWorld> {
    const { client, microvmMachines, namespace } = this.#options;
    const options = { signal, ...(namespace === undefined ? {} : { namespace }) };
    const [ours, theirs] = await Promise.all([client.list(microvmClusters, options), client.list(clusters, options)]);
    return {
      microvmClusters: ours.items,
      clusters: theirs.items,
      microvmMachines: microvmMachines.list(namespace),
    };
  }
}

function contendedIfConflict(error: unknown): Allocation {
  if (isConflict(error)) return { outcome: "contended" };
  throw error;
}

/** Somebody else owns the field: trying the same again would never end. */
function isFieldConflict(error: unknown): boolean {
  return error instanceof ApiError && error.causes.some(({ reason }) => reason === "FieldManagerConflict");
}

function isFree(pool: AddressPool, taken: ReadonlyMap<string, string>, address: string): boolean {
  const parsed = parseIpAddress(address);
  return parsed !== undefined && poolHolds(pool, parsed) && !taken.has(address);
}

function exhaustion(entries: readonly string[], pool: AddressPool, taken: ReadonlyMap<string, string>): string {
  const holders = [...taken].filter(([address]) => {
    const parsed = parseIpAddress(address);
    return parsed !== undefined && poolHolds(pool, parsed);
  });
  const shown = holders.slice(0, 5).map(([address, holder]) => `${address} by ${holder}`);
  const more = holders.length > shown.length ? ` and ${holders.length - shown.length} more` : "";
  return `every address of ${entries.join(", ")} is in use: ${shown.join(", ")}${more}; add addresses or delete a cluster`;
}
