/** A cluster as the command line shows it; the object of `-o json` is described in docs/cli-output.md. */
import type { ObjectKey } from "@liquidmetal/kubernetes";
import type { Json } from "../output/format.ts";
import { type Presentation, printOne } from "../output/print.ts";
import { age } from "../program/duration.ts";
import type { Session } from "../program/session.ts";
import { findCluster, type ManagementCluster } from "./management-cluster.ts";
import type { Cluster, ControlPlane, WorkerPool } from "./objects.ts";
import { standingOf } from "./tree/standing.ts";

/** A cluster with what its own object does not say. */
export interface ClusterSummary {
  readonly cluster: Cluster;
  readonly controlPlane?: ControlPlane;
  readonly pools: readonly WorkerPool[];
}

/** Of control plane or topology; "" when neither says it. */
export function versionOf({ cluster, controlPlane }: ClusterSummary): string {
  return cluster.spec?.topology?.version ?? controlPlane?.spec?.version ?? "";
}

export function endpointOf({ spec }: Cluster): string {
  const { host = "", port = 0 } = spec?.controlPlaneEndpoint ?? {};
  if (host === "") return "";
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}

export function clusterPresentation(nowMs: number, everywhere: boolean): Presentation<ClusterSummary> {
  const phase = ({ cluster }: ClusterSummary): string => phaseOf(cluster);
  return {
    columns: [
      ...(everywhere
        ? [{ header: "NAMESPACE", value: ({ cluster }: ClusterSummary) => cluster.metadata?.namespace ?? "" }]
        : []),
      { header: "NAME", value: ({ cluster }) => cluster.metadata?.name ?? "" },
      { header: "STATE", value: phase },
      { header: "VERSION", value: (each) => versionOf(each) || "-" },
      {
        header: "CONTROL PLANE",
        value: ({ cluster, controlPlane }) =>
          counts(cluster.status?.controlPlane ?? controlPlane?.status, controlPlane?.spec?.replicas),
      },
      {
        header: "WORKERS",
        value: ({ cluster, pools }) =>
          counts(
            cluster.status?.workers,
            sum(pools, ({ spec }) => spec?.replicas),
          ),
      },
      { header: "ENDPOINT", value: ({ cluster }) => endpointOf(cluster) || "-", elastic: true },
      { header: "AGE", value: ({ cluster }) => ageOf(cluster, nowMs) },
      { header: "REASON", value: ({ cluster }) => reasonOf(cluster) || "-", wide: true, elastic: true },
    ],
    json: jsonOfCluster,
    name: ({ cluster }) => `${cluster.metadata?.namespace}/${cluster.metadata?.name}`,
  };
}

export function jsonOfCluster(summary: ClusterSummary): Json {
  const { cluster, controlPlane, pools } = summary;
  return {
    namespace: cluster.metadata?.namespace ?? "",
    name: cluster.metadata?.name ?? "",
    uid: cluster.metadata?.uid ?? "",
    state: phaseOf(cluster),
    reason: standingOf(cluster, "Available").reason,
    message: reasonOf(cluster),
    version: versionOf(summary),
    clusterClass: cluster.spec?.topology?.classRef?.name ?? "",
    endpoint: endpointOf(cluster),
    controlPlane: {
      replicas: controlPlane?.spec?.replicas ?? 0,
      available: cluster.status?.controlPlane?.availableReplicas ?? controlPlane?.status?.availableReplicas ?? 0,
    },
    workers: pools.map((pool) => ({
      name: pool.metadata?.name ?? "",
      replicas: pool.spec?.replicas ?? 0,
      available: pool.status?.availableReplicas ?? 0,
      version: pool.spec?.template?.spec?.version ?? "",
    })),
    createdAt: cluster.metadata?.creationTimestamp ?? null,
  };
}

/** `ready`, `waiting`, `failed`, `deleting`, `paused`, `unknown`. */
export function phaseOf(cluster: Cluster): string {
  return standingOf(cluster, "Available").state;
}

function reasonOf(cluster: Cluster): string {
  const { message, reason, state } = standingOf(cluster, "Available");
  return state === "ready" ? "" : message || reason;
}

/** The cluster as it is now, on standard output. */
export async function printCluster(session: Session, management: ManagementCluster, key: ObjectKey): Promise<void> {
  const { readSummary } = await import("./summary.ts");
  const cluster = await findCluster(session, management, key.name);
  const summary = await readSummary(management.client, cluster, session.signal);
  await printOne(session, summary, clusterPresentation(session.clock.nowMs(), true));
}

interface Counts {
  readonly availableReplicas?: number;
  readonly desiredReplicas?: number;
}

function counts(status: Counts | undefined, wanted: number | undefined): string {
  return `${status?.availableReplicas ?? 0}/${wanted ?? status?.desiredReplicas ?? 0}`;
}

function sum<T>(items: readonly T[], of: (item: T) => number | undefined): number {
  return items.reduce((total, item) => total + (of(item) ?? 0), 0);
}

function ageOf({ metadata }: Cluster, nowMs: number): string {
  const at = Date.parse(metadata?.creationTimestamp ?? "");
  return Number.isNaN(at) ? "-" : age(nowMs - at);
}
