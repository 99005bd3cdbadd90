/** The pods of the web service that comes with the node image (images/node/files/web.yaml), and what can be asked from inside of them. */
import type { ClusterWorld } from "./cluster-world.ts";

export interface WebPod {
  readonly name: string;
  readonly node: string;
  readonly address: string;
  /** A line for each answer: `pod=… node=… address=… client=…`. */
  get(url: string, times?: number): Promise<string>;
  /** Addresses of a name, as the pod's resolver has them. */
  resolve(name: string): Promise<string>;
}

interface PodList {
  readonly items: readonly {
    readonly metadata: { readonly name: string; readonly deletionTimestamp?: string };
    readonly spec: { readonly nodeName: string };
    readonly status: { readonly podIP: string };
  }[];
}

export async function webPods(world: ClusterWorld, cluster: string): Promise<readonly WebPod[]> {
  const list: PodList = JSON.parse(
    await world.kubectl(cluster, ["get", "pods", "-l", "app.kubernetes.io/name=web", "-o", "json"]),
  );
  return list.items
    .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
    .map(({ metadata: { name }, spec, status }) => {
      const run = (...args: readonly string[]): Promise<string> =>
        world.kubectl(cluster, ["exec", name, "--", "web", ...args]);
      return {
        ...{ name, node: spec.nodeName, address: status.podIP },
        get: (url, times = 1) => run("get", url, "--times", String(times), "--timeout", "20s"),
        resolve: (host) => run("resolve", host, "--timeout", "20s"),
      };
    });
}
