/** The nodes of a workload cluster, and a guard that remembers what happened to them while others looked elsewhere. */
import {
  type Condition,
  type KubernetesClient,
  type KubernetesObject,
  openCache,
  type Resource,
  resource,
} from "@liquidmetal/kubernetes";
import { conditionOf, watched } from "./watched.ts";

export interface ClusterNode extends KubernetesObject {
  readonly spec?: { readonly providerID?: string; readonly podCIDR?: string };
  readonly status?: {
    readonly conditions?: readonly Condition[];
    readonly nodeInfo?: { readonly bootID?: string; readonly kubeletVersion?: string };
  };
}

export const nodes: Resource<ClusterNode> = resource<ClusterNode>({
  group: "",
  version: "v1",
  kind: "Node",
  plural: "nodes",
  namespaced: false,
});

export const isReady = (node: ClusterNode): boolean => conditionOf(node, "Ready")?.status === "True";

/** Resolves with the nodes when there are `count`, all Ready. */
export function nodesReady(
  client: KubernetesClient,
  count: number,
  timeoutMs: number,
): Promise<readonly ClusterNode[]> {
  return watched(client, nodes, { what: `${count} nodes, all Ready`, timeoutMs }, (found) =>
    found.length === count && found.every(isReady) ? found : undefined,
  );
}

/** Uid of the microVM, from the provider id. */
export function microvmUidOf({ metadata, spec }: ClusterNode): string {
  const uid = /^microvm:\/\/[^/]+\/([0-9A-Z]{26})$/.exec(spec?.providerID ?? "")?.[1];
  if (uid === undefined) throw new Error(`node ${metadata?.name} has the provider id ${spec?.providerID}`);
  return uid;
}

/** From now on, what became worse with any node: not Ready, gone, booted again. */
export class NodeGuard implements AsyncDisposable {
  readonly #stop = new AbortController();
  readonly #incidents: string[] = [];
  readonly #running: Promise<void>;

  constructor(client: KubernetesClient) {
    const cache = openCache(client, nodes);
    cache.onChange((change) => {
      const { object } = change;
      const name = object.metadata?.name;
      const bootId = object.status?.nodeInfo?.bootID;
      if (change.type === "deleted") this.#incidents.push(`${name} is gone`);
      if (change.type !== "changed") return;
      if (isReady(change.previous) && !isReady(object))
        this.#incidents.push(`${name}: ${conditionOf(object, "Ready")?.message}`);
      if (change.previous.status?.nodeInfo?.bootID !== bootId) this.#incidents.push(`${name} booted again: ${bootId}`);
    });
    this.#running = cache.start(this.#stop.signal);
  }

  get incidents(): readonly string[] {
    return this.#incidents;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }
}
