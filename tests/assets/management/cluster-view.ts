/** One Cluster as its owner looks at it: what it waits for, its Machines, and the words of the conditions when it takes too long. */
import { eventually, type Json, type JsonApi } from "./json-api.ts";
import type { PlayedCluster } from "./played-cluster.ts";
import type { PlayedGuests } from "./played-guests.ts";

export interface Machine {
  readonly name: string;
  readonly controlPlane: boolean;
  readonly phase: string;
  readonly version: string;
  /** `host:port`, from the provider id. */
  readonly host: string;
  readonly providerId: string;
  readonly deleting: boolean;
}

export interface Awaited {
  readonly controlPlanes?: number;
  readonly workers?: number;
  readonly timeoutMs?: number;
}

export class ClusterView {
  readonly name: string;
  readonly paths: Readonly<
    Record<
      "cluster" | "machinePools" | "controlPlane" | "workers" | "machines" | "infrastructure" | "microvmMachines",
      string
    >
  >;
  readonly #api: JsonApi;
  readonly #guests: PlayedGuests | undefined;
  #nudges = 0;

  constructor(api: JsonApi, { name, namespace }: Pick<PlayedCluster, "name" | "namespace">, guests?: PlayedGuests) {
    this.#api = api;
    this.name = name;
    this.#guests = guests;
    const of = (group: string, rest: string): string => `/apis/${group}/v1beta2/namespaces/${namespace}/${rest}`;
    this.paths = {
      cluster: of("cluster.x-k8s.io", `clusters/${name}`),
      controlPlane: of("controlplane.cluster.x-k8s.io", `kubeadmcontrolplanes/${name}-control-plane`),
      workers: of("cluster.x-k8s.io", `machinedeployments/${name}-workers`),
      machines: of("cluster.x-k8s.io", "machines"),
      machinePools: of("cluster.x-k8s.io", "machinepools"),
      infrastructure: of("infrastructure.cluster.x-k8s.io", `microvmclusters/${name}`),
      microvmMachines: of("infrastructure.cluster.x-k8s.io", "microvmmachines"),
    };
  }

  /** Machines by name. */
  async machines(): Promise<readonly Machine[]> {
    const objects = await this.#api.list(
      `${this.paths.machines}?labelSelector=cluster.x-k8s.io/cluster-name=${this.name}`,
    );
    return objects.map(machineOf).sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async workers(): Promise<readonly Machine[]> {
    return (await this.machines()).filter(({ controlPlane }) => !controlPlane);
  }

  async controlPlanes(): Promise<readonly Machine[]> {
    return (await this.machines()).filter(({ controlPlane }) => controlPlane);
  }

  async condition(path: string, type: string): Promise<Json | undefined> {
    const { status } = await this.#api.get(path);
    return status?.conditions?.find((each: Json) => each.type === type);
  }

  /** Waits until the cluster is Available and exactly so many machines of each kind are Running and up to date. */
  async available({ controlPlanes, workers, timeoutMs = 120_000 }: Awaited): Promise<readonly Machine[]> {
    const what = `${controlPlanes ?? "any"} control planes and ${workers ?? "any"} workers of ${this.name} are available`;
    return this.until(
      what,
      async () => {
        const machines = await this.machines();
        if (machines.some(({ phase, deleting }) => phase !== "Running" || deleting)) return undefined;
        const count = machines.filter(({ controlPlane }) => controlPlane).length;
        if (controlPlanes !== undefined && count !== controlPlanes) return undefined;
        if (workers !== undefined && machines.length - count !== workers) return undefined;
        const { status } = await this.#api.get(this.paths.cluster);
        const available = status?.conditions?.find((each: Json) => each.type === "Available");
        if (available?.status !== "True") return undefined;
        const { controlPlane, workers: counted } = status;
        if (controlPlanes !== undefined && controlPlane?.availableReplicas !== controlPlanes) return undefined;
        if (controlPlanes !== undefined && controlPlane?.upToDateReplicas !== controlPlanes) return undefined;
        if (workers !== undefined && (counted?.availableReplicas !== workers || counted?.upToDateReplicas !== workers))
          return undefined;
        return machines;
      },
      timeoutMs,
    );
  }

  async gone(timeoutMs = 90_000): Promise<void> {
    await this.until(
      `cluster ${this.name} is gone`,
      async () => ((await this.#api.find(this.paths.cluster)) === undefined ? true : undefined),
      timeoutMs,
    );
  }

  /** Anything else; while it waits, Cluster API is asked to look again, which it does by itself only every 15 to 30 s. */
  async until<T>(what: string, ask: () => Promise<T | undefined>, timeoutMs = 60_000): Promise<T> {
    let looks = 0;
    return eventually(
      what,
      async () => {
        if (++looks % 8 === 0) await this.#nudge();
        return ask();
      },
      { timeoutMs, seen: () => this.story() },
    );
  }

  /** What everybody says of the cluster, for a failed test. */
  async story(): Promise<string> {
    const lines: string[] = [];
    for (const path of [this.paths.cluster, this.paths.infrastructure, this.paths.controlPlane]) {
      const object = await this.#api.find(path);
      lines.push(`${path}: ${object === undefined ? "not there" : conditionsOf(object)}`);
    }
    for (const list of [this.paths.machines, this.paths.microvmMachines]) {
      for (const object of await this.#api.list(list)) {
        const { deletionTimestamp, finalizers } = object.metadata;
        const leaving = deletionTimestamp === undefined ? "" : ` deleting, waits for ${finalizers}`;
        lines.push(
          `${object.metadata.name} ${object.status?.phase ?? object.spec.providerID ?? ""}${leaving}: ${conditionsOf(object)}`,
        );
      }
    }
    for (const { metadata, spec, status } of await this.#api.list(this.paths.machinePools)) {
      const { conditions: _, ...rest } = status ?? {};
      lines.push(`${metadata.name} ${JSON.stringify(spec.providerIDList)} ${JSON.stringify(rest)}`);
    }
    lines.push(...(this.#guests?.failures ?? []).slice(-3).map((failure) => `guest: ${failure.message}`));
    return lines.join("\n");
  }

  async #nudge(): Promise<void> {
    this.#nudges += 1;
    const patch = { metadata: { annotations: { "test.liquidmetal.dev/look-again": String(this.#nudges) } } };
    // By label: topologies name their objects as they like.
    const label = `labelSelector=cluster.x-k8s.io/cluster-name=${this.name}`;
    const paths = [this.paths.cluster];
    const listOf = (path: string): string => path.slice(0, path.lastIndexOf("/"));
    for (const list of [listOf(this.paths.controlPlane), listOf(this.paths.workers), this.paths.machinePools]) {
      const objects = await this.#api.list(`${list}?${label}`).catch(() => []);
      paths.push(...objects.map(({ metadata }) => `${list}/${metadata.name}`));
    }
    for (const path of paths) await this.#api.merge(path, patch).catch(() => {});
  }
}

function machineOf({ metadata, spec, status }: Json): Machine {
  const providerId: string = spec.providerID ?? "";
  return {
    name: metadata.name,
    controlPlane: metadata.labels?.["cluster.x-k8s.io/control-plane"] !== undefined,
    phase: status?.phase ?? "",
    version: spec.version ?? "",
    host: /^microvm:\/\/([^/]+)\//.exec(providerId)?.[1] ?? "",
    providerId,
    deleting: metadata.deletionTimestamp !== undefined,
  };
}

/** Those that are not as they should be, or all where nothing is wrong. */
function conditionsOf({ status }: Json): string {
  const all: readonly Json[] = status?.conditions ?? [];
  const good = (type: string): string =>
    /^(Paused|Deleting|Remediating|Scaling|RollingOut)/.test(type) ? "False" : "True";
  const bad = all.filter((each) => each.status !== good(each.type));
  return bad
    .map(({ type, status: value, reason, message }) => `${type}=${value} ${reason} ${message}`.replace(/\s+/g, " "))
    .join("; ");
}
