/** A cluster as a tree of conditions, with the one reason that matters first. */
import type { Json } from "../output/format.ts";
import { toYaml } from "../output/print.ts";
import type { Invocation } from "../program/command.ts";
import { usage } from "../program/flag-values.ts";
import type { Session } from "../program/session.ts";
import { LiveTree } from "./live-tree.ts";
import { findCluster, type ManagementCluster, openManagementCluster } from "./management-cluster.ts";
import { jsonOfCluster } from "./present.ts";
import { type ClusterObjects, followClusterObjects, readClusterObjects } from "./tree/cluster-objects.ts";
import { clusterTree, firstReason } from "./tree/cluster-tree.ts";
import { drawTree } from "./tree/draw-tree.ts";
import type { TreeNode } from "./tree/tree-node.ts";

export async function describeCluster(invocation: Invocation, session: Session): Promise<number | undefined> {
  const name = invocation.positionals[0] ?? "";
  await using management = await openManagementCluster(session);
  const cluster = await findCluster(session, management, name);
  const key = { namespace: management.namespace, name };
  if (invocation.flags.on("watch")) return watch(session, management, name);
  const objects = { ...(await readClusterObjects(management.client, key, session.signal)), cluster };
  const tree = clusterTree(objects);
  if (tree === undefined) return undefined;
  switch (session.format) {
    case "json":
      session.print(JSON.stringify(jsonOfTree(objects, tree), null, 2));
      return undefined;
    case "yaml":
      session.print(await toYaml(jsonOfTree(objects, tree)));
      return undefined;
    case "name":
      session.print(`${key.namespace}/${key.name}`);
      return undefined;
    default:
      session.print(text(session, tree));
      return undefined;
  }
}

function text(session: Session, tree: TreeNode): string {
  const { stdout } = session.terminal;
  const lines = drawTree(tree, {
    paint: session.paint,
    nowMs: session.clock.nowMs(),
    everything: session.format === "wide" || session.flags.on("conditions"),
    ...(stdout.isTTY === true && (stdout.columns ?? 0) > 0 ? { width: stdout.columns ?? 0 } : {}),
  });
  const reason = firstReason(tree);
  return [...lines, ...(reason === undefined ? [] : ["", `${session.paint("bold", "First:")} ${reason}`])].join("\n");
}

/** The tree for as long as the cluster is there, or until interrupted. */
async function watch(session: Session, management: ManagementCluster, name: string): Promise<undefined> {
  if (session.format !== "table" && session.format !== "wide")
    throw usage("--watch shows the tree to people: it has no other form");
  const { stdout, env } = session.terminal;
  using live = new LiveTree({
    stream: stdout,
    paint: session.paint,
    clock: session.clock,
    live: stdout.isTTY === true && env["TERM"] !== "dumb",
    quiet: false,
  });
  const key = { namespace: management.namespace, name };
  const onProblem = (error: unknown): void => session.warn(error instanceof Error ? error.message : String(error));
  for await (const objects of followClusterObjects(management.client, key, { signal: session.signal, onProblem })) {
    const tree = clusterTree(objects);
    live.show(tree, tree === undefined ? "The cluster is gone." : (firstReason(tree) ?? ""));
    if (tree === undefined) return undefined;
  }
  return undefined;
}

export function jsonOfTree(objects: ClusterObjects, tree: TreeNode): Json {
  const { cluster = {}, controlPlane, machineDeployments, machinePools } = objects;
  const summary = {
    cluster,
    pools: [...machineDeployments, ...machinePools],
    ...(controlPlane === undefined ? {} : { controlPlane }),
  };
  return { ...Object(jsonOfCluster(summary)), firstReason: firstReason(tree) ?? "", tree: jsonOfNode(tree) };
}

function jsonOfNode(node: TreeNode): Json {
  const { kind, name, role, state, reason, message, since, detail, conditions, children } = node;
  return {
    ...{ kind, name, role, state, reason, message, detail },
    since: since === "" ? null : since,
    conditions: conditions.map((each) => ({
      type: each.type,
      status: each.status,
      reason: each.reason,
      message: each.message,
      since: each.lastTransitionTime,
    })),
    children: children.map(jsonOfNode),
  };
}
