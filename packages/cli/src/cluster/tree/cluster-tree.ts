/** The tree of a cluster: Cluster → infrastructure, control plane with its machines, workers with theirs; and the one reason that matters first. */
import type { Cluster, Conditioned, Machine, MicrovmMachine, Replicas, WorkerPool } from "../objects.ts";
import { controlPlaneLabel, deploymentNameLabel, poolNameLabel } from "../objects.ts";
import type { ClusterObjects } from "./cluster-objects.ts";
import { machineNode } from "./machine-node.ts";
import { standingOf } from "./standing.ts";
import { conditionsOf, everyNode, type TreeNode } from "./tree-node.ts";

/** `undefined` where the Cluster is not there. */
export function clusterTree(objects: ClusterObjects): TreeNode | undefined {
  const { cluster, infrastructure, controlPlane } = objects;
  if (cluster === undefined) return undefined;
  const microvms = new Map(objects.microvmMachines.map((each) => [each.metadata?.name ?? "", each]));
  const nodesOf = (machines: readonly Machine[]): readonly TreeNode[] =>
    machines.map((machine) => machineNode(machine, microvms.get(infrastructureName(machine))));
  const ofControlPlane = objects.machines.filter((each) => labelOf(each, controlPlaneLabel) !== undefined);
  const pools = [
    ...objects.machineDeployments.map((pool) => ({ pool, kind: "MachineDeployment", label: deploymentNameLabel })),
    ...objects.machinePools.map((pool) => ({ pool, kind: "MachinePool", label: poolNameLabel })),
  ];
  const children: TreeNode[] = [];
  if (infrastructure !== undefined)
    children.push(plain("MicrovmCluster", "infrastructure", infrastructure, "Ready", endpointOf(cluster), []));
  if (controlPlane !== undefined) {
    const detail = poolDetail(controlPlane.spec?.replicas, controlPlane.status, controlPlane.spec?.version);
    children.push(
      plain("KubeadmControlPlane", "control plane", controlPlane, "Available", detail, nodesOf(ofControlPlane)),
    );
  }
  const shown = new Set<Machine>(controlPlane === undefined ? [] : ofControlPlane);
  for (const { pool, kind, label } of pools) {
    const own = objects.machines.filter((each) => labelOf(each, label) === pool.metadata?.name);
    for (const each of own) shown.add(each);
    children.push(plain(kind, "workers", pool, "Available", workersDetail(pool), nodesOf(own)));
  }
  children.push(...nodesOf(objects.machines.filter((each) => !shown.has(each))));
  return plain("Cluster", "", cluster, "Available", clusterDetail(cluster), children);
}

/** What matters first, as a sentence; `undefined` when all is well. */
export function firstReason(tree: TreeNode): string | undefined {
  const cluster = tree;
  if (cluster.state === "paused") return `Cluster ${cluster.name} is paused: nothing is done until it is resumed.`;
  const topology = cluster.conditions.find(({ type }) => type === "TopologyReconciled");
  if (topology?.status === "False" && cluster.state !== "deleting")
    return `Cluster ${cluster.name} does not follow its class: ${topology.message || topology.reason}`;
  const below = [...everyNode(tree)].slice(1);
  if (cluster.state === "deleting") {
    const stuck = below.find(({ state, message }) => state === "deleting" && message !== "");
    const going = below.filter(({ kind }) => kind !== "MicrovmMachine");
    const first = stuck ?? going.findLast(({ state }) => state === "deleting") ?? going.at(-1);
    if (first === undefined) return `Cluster ${cluster.name} is being deleted.`;
    return `Cluster ${cluster.name} is being deleted and waits for ${first.kind} ${first.name}${first.message === "" ? "" : `: ${first.message}`}.`;
  }
  const failed = below.find(({ state }) => state === "failed");
  if (failed !== undefined) return sentence(failed);
  if (cluster.state === "ready") return undefined;
  const waiting = leaf(tree);
  return waiting === undefined ? sentence(cluster) : sentence(waiting);
}

/** The first in the order of causes: infrastructure, control plane, workers; in each the machine that is behind its set. */
function leaf(node: TreeNode): TreeNode | undefined {
  for (const child of node.children) {
    if (child.state === "ready" || child.kind === "MicrovmMachine") continue;
    return leaf(child) ?? child;
  }
  return undefined;
}

function sentence(node: TreeNode): string {
  const what = node.message !== "" ? node.message : node.reason !== "" ? node.reason : "nothing is known of it yet";
  return `${node.kind} ${node.name}: ${what}${/[.!?]$/.test(what) ? "" : "."}`;
}

function plain(
  kind: string,
  role: string,
  object: Conditioned,
  type: string,
  detail: string,
  children: readonly TreeNode[],
): TreeNode {
  return {
    kind,
    name: object.metadata?.name ?? "",
    role,
    ...standingOf(object, type),
    detail,
    conditions: conditionsOf(object),
    children,
  };
}

function clusterDetail(cluster: Cluster): string {
  return cluster.spec?.topology?.classRef === undefined ? "" : `class ${cluster.spec.topology.classRef.name}`;
}

function endpointOf(cluster: Cluster): string {
  const { host = "", port = 0 } = cluster.spec?.controlPlaneEndpoint ?? {};
  if (host === "") return "";
  return `endpoint ${host.includes(":") ? `[${host}]` : host}:${port}`;
}

function workersDetail(pool: WorkerPool): string {
  return poolDetail(pool.spec?.replicas, pool.status, pool.spec?.template?.spec?.version);
}

function poolDetail(wanted: number | undefined, status: Replicas | undefined, version: string | undefined): string {
  const counts = `${status?.availableReplicas ?? 0}/${wanted ?? status?.replicas ?? 0} available`;
  const behind = (status?.replicas ?? 0) - (status?.upToDateReplicas ?? status?.replicas ?? 0);
  return [counts, version ?? "", behind > 0 ? `${behind} to be replaced` : ""].filter((part) => part !== "").join(", ");
}

const labelOf = (object: Conditioned | MicrovmMachine, label: string): string | undefined =>
  object.metadata?.labels?.[label];

const infrastructureName = (machine: Machine): string =>
  machine.spec?.infrastructureRef?.name ?? machine.metadata?.name ?? "";
