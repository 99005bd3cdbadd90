/**
 * Changes how many machines a cluster has: replicas of its control plane and of its worker pools, or of its topology.
 *
 * A patch of that one field under lm's name. Server-side apply would have to repeat everything that lm ever applied, or give it up.
 */
import { PlatformError } from "@liquidmetal/foundation";
import { type JsonPatch, keyOf } from "@liquidmetal/kubernetes";
import { waitGoal } from "../commands/vm/flags.ts";
import type { Invocation } from "../program/command.ts";
import { usage } from "../program/flag-values.ts";
import type { Session } from "../program/session.ts";
import { fieldManager, findCluster, type ManagementCluster, openManagementCluster } from "./management-cluster.ts";
import {
  type Cluster,
  controlPlanes,
  machineDeployments,
  machinePools,
  topologyNameLabel,
  type WorkerPool,
} from "./objects.ts";
import { type ClusterSummary, printCluster } from "./present.ts";
import { readSummary } from "./summary.ts";
import { checkedControlPlaneCount } from "./template/variables.ts";
import { patchTopology } from "./topology.ts";
import { waitForCluster } from "./wait.ts";

const defaultTimeoutMs = 1_800_000;
const workersMax = 1_000;

/** What is asked for; `pools` by the pool's name, or by the name that the topology has for it. */
interface Sizes {
  readonly controlPlane?: number;
  readonly workers?: number;
  readonly pools: ReadonlyMap<string, number>;
}

export async function scaleCluster(invocation: Invocation, session: Session): Promise<number | undefined> {
  const { flags, positionals } = invocation;
  const name = positionals[0] ?? "";
  const sizes = sizesOf(invocation);
  const goal = waitGoal(flags, { bare: "ready", absent: "none", allowed: ["ready"] });
  await using management = await openManagementCluster(session);
  const cluster = await findCluster(session, management, name);
  refuseDeleting(cluster);
  const summary = await readSummary(management.client, cluster, session.signal);
  const counts = assigned(summary, sizes);
  if (cluster.spec?.topology === undefined)
    await scaleObjects(session, management, summary, sizes.controlPlane, counts);
  else await scaleTopology(session, management, cluster, sizes.controlPlane, counts);
  const key = keyOf(cluster);
  if (goal !== "none")
    await waitForCluster(session, management, {
      key,
      goal: "available",
      timeoutMs: flags.durationMs("timeout") ?? defaultTimeoutMs,
    });
  await printCluster(session, management, key);
  return undefined;
}

export function refuseDeleting({ metadata }: Cluster): void {
  if (metadata?.deletionTimestamp === undefined) return;
  throw new PlatformError("OBJECT_CONFLICT", `cluster ${metadata.namespace}/${metadata.name} is being deleted`, {
    remedy: "wait until it is gone, then create it again",
  });
}

function sizesOf({ flags }: Invocation): Sizes {
  const controlPlane = flags.integer("control-plane", { min: 1, max: 9 });
  const workers = flags.integer("workers", { min: 0, max: workersMax });
  const pools = new Map(
    flags.list("pool").map((text) => {
      const match = /^([^=]+)=(\d{1,4})$/.exec(text);
      if (match === null || Number(match[2]) > workersMax) throw usage(`--pool '${text}' is not NAME=COUNT`);
      return [match[1] ?? "", Number(match[2])] as const;
    }),
  );
  if (controlPlane !== undefined) checkedControlPlaneCount(controlPlane, "--control-plane");
  if (controlPlane === undefined && workers === undefined && pools.size === 0)
    throw usage("scale what?", "say --control-plane COUNT, --workers COUNT or --pool NAME=COUNT");
  return {
    pools,
    ...(controlPlane === undefined ? {} : { controlPlane }),
    ...(workers === undefined ? {} : { workers }),
  };
}

/** Counts by pool. Throws REQUEST_INVALID for a pool that is not there, and where it is not clear which one is meant. */
function assigned({ cluster, pools }: ClusterSummary, sizes: Sizes): ReadonlyMap<string, number> {
  const names = pools.map(({ metadata }) => metadata?.name ?? "");
  const clusterName = cluster.metadata?.name ?? "";
  const counts = new Map<string, number>();
  for (const [wanted, count] of sizes.pools) {
    const pool = pools.find(
      ({ metadata }) =>
        metadata?.name === wanted ||
        metadata?.name === `${clusterName}-${wanted}` ||
        metadata?.labels?.[topologyNameLabel] === wanted,
    );
    if (pool === undefined)
      throw usage(`cluster ${clusterName} has no pool '${wanted}'`, `it has ${names.join(", ") || "none"}`);
    counts.set(pool.metadata?.name ?? "", count);
  }
  if (sizes.workers !== undefined) {
    if (names.length !== 1 || counts.size > 0)
      throw usage(
        `cluster ${clusterName} has ${names.length} pools of workers`,
        `name one: --pool ${names[0] ?? "NAME"}=COUNT`,
      );
    counts.set(names[0] ?? "", sizes.workers);
  }
  return counts;
}

async function scaleObjects(
  session: Session,
  { client }: ManagementCluster,
  { controlPlane, pools, cluster }: ClusterSummary,
  controlPlaneCount: number | undefined,
  counts: ReadonlyMap<string, number>,
): Promise<void> {
  const options = { signal: session.signal, fieldManager };
  const patch = (replicas: number): object => ({ spec: { replicas } });
  if (controlPlaneCount !== undefined) {
    if (controlPlane === undefined)
      throw usage(`cluster ${cluster.metadata?.name} has no control plane that kubeadm's provider looks after`);
    await client.mergePatch(controlPlanes, keyOf(controlPlane), patch(controlPlaneCount), options);
  }
  for (const pool of pools) {
    const count = counts.get(pool.metadata?.name ?? "");
    if (count !== undefined) await client.mergePatch(kindOf(pool), keyOf(pool), patch(count), options);
  }
}

const kindOf = (pool: WorkerPool) => (pool.kind === machinePools.kind ? machinePools : machineDeployments);

/** The lists of a topology are ordered: what is changed is tested to be what was read. */
async function scaleTopology(
  session: Session,
  management: ManagementCluster,
  cluster: Cluster,
  controlPlaneCount: number | undefined,
  counts: ReadonlyMap<string, number>,
): Promise<void> {
  const { workers } = cluster.spec?.topology ?? {};
  const operations: JsonPatch[number][] = [];
  if (controlPlaneCount !== undefined)
    operations.push({ op: "add", path: "/spec/topology/controlPlane/replicas", value: controlPlaneCount });
  for (const [pool, count] of counts) {
    const found = (["machineDeployments", "machinePools"] as const)
      .flatMap((list) => (workers?.[list] ?? []).map(({ name }, index) => ({ list, name, index })))
      .find(({ name }) => pool === name || pool.startsWith(`${cluster.metadata?.name}-${name}-`));
    if (found === undefined) throw usage(`the topology has no pool for ${pool}`);
    const path = `/spec/topology/workers/${found.list}/${found.index}`;
    operations.push({ op: "test", path: `${path}/name`, value: found.name });
    operations.push({ op: "add", path: `${path}/replicas`, value: count });
  }
  await patchTopology(session, management, cluster, operations);
}
