/** Deletes clusters: their Machines and microVMs go with them, and the network's manifests that lm made. */
import { createInterface } from "node:readline/promises";
import { type KubernetesObject, type Resource, resource } from "@liquidmetal/kubernetes";
import { waitGoal } from "../commands/vm/flags.ts";
import type { Invocation } from "../program/command.ts";
import { usage } from "../program/flag-values.ts";
import type { Session } from "../program/session.ts";
import { findCluster, type ManagementCluster, openManagementCluster } from "./management-cluster.ts";
import { addonsLabel, type Cluster, clusterNameLabel, clusters, machines } from "./objects.ts";
import { jsonOfCluster } from "./present.ts";
import { waitForCluster } from "./wait.ts";

const defaultTimeoutMs = 900_000;

interface ResourceSet extends KubernetesObject {
  readonly spec?: {
    readonly clusterSelector?: { readonly matchLabels?: Readonly<Record<string, string>> };
    readonly resources?: readonly { readonly kind: string; readonly name: string }[];
  };
}

const resourceSets: Resource<ResourceSet> = resource<ResourceSet>({
  group: "addons.cluster.x-k8s.io",
  version: "v1beta2",
  kind: "ClusterResourceSet",
  plural: "clusterresourcesets",
  namespaced: true,
});
const configMaps: Resource = resource({
  group: "",
  version: "v1",
  kind: "ConfigMap",
  plural: "configmaps",
  namespaced: true,
});

export async function deleteCluster(invocation: Invocation, session: Session): Promise<number | undefined> {
  const { flags, positionals } = invocation;
  const name = positionals[0] ?? "";
  const goal = waitGoal(flags, { bare: "done", absent: "done", allowed: [] });
  await using management = await openManagementCluster(session);
  const { client, namespace } = management;
  const key = { namespace, name };
  const ignore = flags.on("ignore-not-found");
  const cluster = ignore
    ? await client.find(clusters, key, { signal: session.signal })
    : await findCluster(session, management, name);
  if (cluster === undefined) {
    session.note(`There is no cluster ${namespace}/${name}.`);
    return undefined;
  }
  if (!flags.on("yes")) await confirm(session, management, name);
  const { uid } = cluster.metadata ?? {};
  await client.delete(clusters, key, { signal: session.signal, ...(uid === undefined ? {} : { uid }) });
  await deleteNetwork(session, management, name);
  if (goal !== "none")
    await waitForCluster(session, management, {
      key,
      goal: "gone",
      timeoutMs: flags.durationMs("timeout") ?? defaultTimeoutMs,
    });
  printDeleted(session, cluster, goal === "none" ? "deleting" : "deleted");
  return undefined;
}

function printDeleted(session: Session, cluster: Cluster, state: string): void {
  if (session.format === "json")
    session.print(JSON.stringify({ ...Object(jsonOfCluster({ cluster, pools: [] })), state }, null, 2));
  else session.print(`${cluster.metadata?.namespace}/${cluster.metadata?.name}`);
}

/** What `create` made for this cluster alone and Cluster API does not count as its part. */
async function deleteNetwork(session: Session, { client, namespace }: ManagementCluster, name: string): Promise<void> {
  const { signal } = session;
  const key = { namespace, name: `${name}-cni` };
  const found = await client.find(resourceSets, key, { signal });
  if (found?.spec?.clusterSelector?.matchLabels?.[addonsLabel] !== name) return;
  const own = found.spec.resources?.some(({ kind, name: of }) => kind === "ConfigMap" && of === key.name) === true;
  await client.delete(resourceSets, key, { signal });
  if (own) await client.delete(configMaps, key, { signal });
}

async function confirm(session: Session, { client, namespace }: ManagementCluster, name: string): Promise<void> {
  const { stdin, stderr } = session.terminal;
  const refusal = usage(`deleting cluster ${namespace}/${name} was not confirmed`, "say --yes");
  if (stdin.isTTY !== true) throw refusal;
  const labelSelector = `${clusterNameLabel}=${name}`;
  const { items } = await client.list(machines, { namespace, labelSelector, signal: session.signal });
  const reader = createInterface({ input: stdin, output: stderr });
  try {
    const answer = await reader.question(
      `Delete cluster ${namespace}/${name} with its ${items.length} machines and everything on them? [y/N] `,
      { signal: session.signal },
    );
    if (!/^y(es)?$/i.test(answer.trim())) throw refusal;
  } finally {
    reader.close();
  }
}
