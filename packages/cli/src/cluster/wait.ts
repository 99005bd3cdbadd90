/** Waits for a cluster by watches, showing its tree meanwhile; a deadline and Ctrl-C leave the cluster as it is and say how to go on. */
import { PlatformError } from "@liquidmetal/foundation";
import type { ObjectKey } from "@liquidmetal/kubernetes";
import { elapsed } from "../program/duration.ts";
import type { Session } from "../program/session.ts";
import { LiveTree } from "./live-tree.ts";
import type { ManagementCluster } from "./management-cluster.ts";
import { type ControlPlane, controlPlaneLabel, deploymentNameLabel, type Machine, type WorkerPool } from "./objects.ts";
import { type ClusterObjects, followClusterObjects } from "./tree/cluster-objects.ts";
import { clusterTree, firstReason } from "./tree/cluster-tree.ts";
import type { TreeNode } from "./tree/tree-node.ts";

/**
 * `available`: as large as asked and not larger, all up to date, every Node ready. `control plane`: that one alone, and of `version`. `gone`: the Cluster is not there any more.
 */
export type ClusterGoal = "available" | "control plane" | "gone";

export interface ClusterWait {
  readonly key: ObjectKey;
  readonly goal: ClusterGoal;
  readonly timeoutMs: number;
  /** As in v1.36.3; of the goal `control plane`. */
  readonly version?: string;
}

const goalText: Readonly<Record<ClusterGoal, string>> = {
  available: "to be available",
  "control plane": "to have its control plane upgraded",
  gone: "to be gone",
};

/** DEADLINE_EXCEEDED with the reason that matters first; OBJECT_NOT_FOUND when the cluster was deleted meanwhile. */
export async function waitForCluster(
  session: Session,
  management: ManagementCluster,
  wait: ClusterWait,
): Promise<void> {
  const { key, goal, timeoutMs } = wait;
  const { terminal } = session;
  const deadline = AbortSignal.timeout(timeoutMs);
  const signal = AbortSignal.any([session.signal, deadline]);
  let last: TreeNode | undefined;
  let seen = false;
  using live = new LiveTree({
    stream: terminal.stderr,
    paint: session.paintNote,
    clock: session.clock,
    live: terminal.stderr.isTTY === true && terminal.env["TERM"] !== "dumb",
    quiet: session.quiet,
  });
  const onProblem = (error: unknown): void => {
    live.show(
      last,
      `the management cluster cannot be asked: ${error instanceof Error ? error.message : String(error)}`,
    );
  };
  try {
    for await (const objects of followClusterObjects(management.client, key, { signal, onProblem })) {
      last = clusterTree(objects);
      live.show(last, last === undefined ? "" : (firstReason(last) ?? ""));
      if (last === undefined) {
        if (goal === "gone") return;
        if (seen) throw deleted(key);
      }
      seen ||= last !== undefined;
      if (goal === "available" && isAvailable(objects)) return;
      if (goal === "control plane" && hasControlPlane(objects, wait.version)) return;
    }
  } catch (error) {
    if (session.signal.aborted) {
      session.note(`Cluster ${key.namespace}/${key.name} goes on without this command; ${howToGoOn(key)}.`);
      throw error;
    }
    if (!deadline.aborted) throw error;
    const reason = last === undefined ? undefined : firstReason(last);
    throw new PlatformError(
      "DEADLINE_EXCEEDED",
      `waited ${elapsed(timeoutMs)} for cluster ${key.namespace}/${key.name} ${goalText[goal]}${reason === undefined ? "" : `: ${reason}`}`,
      { remedy: `the cluster is left as it is; ${howToGoOn(key)}, or give more time with --timeout` },
    );
  }
}

/**
 * Everything that was asked for is there: replicas, versions, Nodes; and what was replaced or is too many is gone, which Cluster API's own counts leave out.
 * What the controllers have not looked at yet does not count.
 */
export function isAvailable(objects: ClusterObjects): boolean {
  const { cluster, controlPlane, machineDeployments, machinePools } = objects;
  if (!hasExactlyItsMachines(objects)) return false;
  const available = cluster?.status?.conditions?.find(({ type }) => type === "Available");
  if (cluster === undefined || cluster.metadata?.deletionTimestamp !== undefined) return false;
  if (available?.status !== "True" || available.observedGeneration !== cluster.metadata?.generation) return false;
  const pools = [...machineDeployments, ...machinePools];
  // What the Cluster counts follows what its parts say, and is what lists show.
  const counted = cluster.status?.workers?.availableReplicas;
  if (counted !== undefined && counted !== pools.reduce((sum, { spec }) => sum + (spec?.replicas ?? 1), 0))
    return false;
  const { topology } = cluster.spec ?? {};
  if (topology !== undefined) {
    // What a topology asks for reaches its parts later.
    const reconciled = cluster.status?.conditions?.find(({ type }) => type === "TopologyReconciled");
    if (reconciled?.status !== "True" || reconciled.observedGeneration !== cluster.metadata?.generation) return false;
    const versions = [controlPlane?.spec?.version, ...pools.map(({ spec }) => spec?.template?.spec?.version)];
    if (versions.some((version) => version !== undefined && version !== topology.version)) return false;
  }
  return (controlPlane === undefined || isComplete(controlPlane)) && pools.every(isComplete);
}

/**
 * By the Machines themselves: each kind comes by a watch of its own, and a count may be here before what it counts. Right after a template was changed, the
 * counts of what is up to date still rest on what the Machines were told before; their versions do not.
 */
function hasExactlyItsMachines({ controlPlane, machineDeployments, machines }: ClusterObjects): boolean {
  if (machines.some(isOnItsWayOut)) return false;
  const are = (own: readonly Machine[], replicas: number | undefined, version: string | undefined): boolean =>
    own.length === (replicas ?? 1) &&
    own.every(({ spec }) => version === undefined || spec?.version === undefined || spec.version === version);
  const labelled = machines.filter(({ metadata }) => metadata?.labels?.[deploymentNameLabel] !== undefined);
  let counted = 0;
  for (const { metadata, spec } of machineDeployments) {
    const own = labelled.filter((machine) => machine.metadata?.labels?.[deploymentNameLabel] === metadata?.name);
    if (!are(own, spec?.replicas, spec?.template?.spec?.version)) return false;
    counted += own.length;
  }
  if (counted !== labelled.length) return false;
  if (controlPlane === undefined) return true;
  const own = machines.filter(({ metadata }) => metadata?.labels?.[controlPlaneLabel] !== undefined);
  return are(own, controlPlane.spec?.replicas, controlPlane.spec?.version);
}

function isOnItsWayOut({ metadata, status }: Machine): boolean {
  const upToDate = status?.conditions?.find(({ type }) => type === "UpToDate");
  return metadata?.deletionTimestamp !== undefined || upToDate?.status === "False";
}

function hasControlPlane({ controlPlane }: ClusterObjects, version: string | undefined): boolean {
  if (controlPlane === undefined || controlPlane.metadata?.deletionTimestamp !== undefined) return false;
  const available = controlPlane.status?.conditions?.find(({ type }) => type === "Available");
  const wanted =
    version === undefined || (controlPlane.spec?.version === version && controlPlane.status?.version === version);
  return wanted && available?.status === "True" && isComplete(controlPlane);
}

function isComplete({ metadata, spec, status }: ControlPlane | WorkerPool): boolean {
  const wanted = spec?.replicas ?? 1;
  return (
    (status?.observedGeneration ?? metadata?.generation) === metadata?.generation &&
    (status?.replicas ?? 0) === wanted &&
    (status?.availableReplicas ?? 0) === wanted &&
    (status?.upToDateReplicas ?? 0) === wanted
  );
}

const howToGoOn = ({ name, namespace }: ObjectKey): string =>
  `see 'lm cluster describe ${name} -n ${namespace}', follow it with 'lm cluster describe ${name} -n ${namespace} --watch'`;

function deleted({ name, namespace }: ObjectKey): PlatformError {
  return new PlatformError("OBJECT_NOT_FOUND", `cluster ${namespace}/${name} was deleted while it was waited for`, {
    remedy: "create it again",
  });
}
