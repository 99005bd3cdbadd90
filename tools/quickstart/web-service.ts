/** A web service in the new cluster, asked in every way that its network has: through the API server, by name, and from pod to pod across nodes. */
import { join } from "node:path";
import { root } from "./command.ts";
import type { Kubectl } from "./kubectl.ts";
import type { Walk } from "./walk.ts";

export const webManifest: string = join(root, "images/node/files/web.yaml");

/** Rules of a Service reach all nodes a moment after its pods are ready; on a slow machine a first answer takes seconds. */
const answerTimeoutMs = 90_000;
const requestTimeout = "10s";

export const throughApiServerArguments = [
  "get",
  "--raw",
  "/api/v1/namespaces/default/services/web:http/proxy/",
] as const;

export interface Pod {
  readonly name: string;
  readonly node: string;
  readonly address: string;
}

export interface Answers {
  readonly pods: readonly Pod[];
  /** As it came through the API server's proxy. */
  readonly throughApiServer: string;
  /** What the first pod got from http://web, four times. */
  readonly byName: string;
  /** What the first pod got from the second one's address. */
  readonly acrossNodes: string;
}

export async function deployWeb(kubectl: Kubectl, report: (line: string) => void): Promise<void> {
  await kubectl.run(["apply", "--server-side", "-f", webManifest]);
  await kubectl.run(["rollout", "status", "deployment/web", "--timeout=6m"], report);
}

/** Throws when somebody does not answer, or both pods are on one node. */
export async function askWeb(walk: Walk, kubectl: Kubectl, report: (line: string) => void): Promise<Answers> {
  const pods = parsePods(await kubectl.run(["get", "pods", "-l", "app.kubernetes.io/name=web", "-o", "json"]));
  const [first, second] = pods;
  if (first === undefined || second === undefined || first.node === second.node)
    throw new Error(
      `two pods on two nodes were expected, there are: ${pods.map(({ name, node }) => `${name} on ${node}`)}`,
    );
  walk.signal.throwIfAborted();
  report("through the API server");
  const throughApiServer = await kubectl.soon(throughApiServerArguments, answerTimeoutMs);
  report("by the Service's name");
  const byName = await kubectl.soon(execArguments(first, "http://web", "--times", "4"), answerTimeoutMs);
  report("from pod to pod, across nodes");
  const acrossNodes = await kubectl.soon(execArguments(first, `http://${second.address}:8080`), answerTimeoutMs);
  await kubectl.soon(execArguments(second, `http://${first.address}:8080`), answerTimeoutMs);
  return { pods: [first, second], throughApiServer, byName, acrossNodes };
}

export function execArguments(pod: Pod, url: string, ...more: readonly string[]): readonly string[] {
  return ["exec", pod.name, "--", "web", "get", url, "--timeout", requestTimeout, ...more];
}

interface PodList {
  readonly items: readonly {
    readonly metadata: { readonly name: string; readonly deletionTimestamp?: string };
    readonly spec: { readonly nodeName?: string };
    readonly status: { readonly podIP?: string; readonly phase?: string };
  }[];
}

/** Those that run, by name. */
export function parsePods(text: string): readonly Pod[] {
  const { items } = JSON.parse(text) as PodList;
  return items
    .filter(({ metadata, status }) => metadata.deletionTimestamp === undefined && status.phase === "Running")
    .map(({ metadata, spec, status }) => ({
      name: metadata.name,
      node: spec.nodeName ?? "",
      address: status.podIP ?? "",
    }))
    .toSorted((left, right) => (left.name < right.name ? -1 : 1));
}
