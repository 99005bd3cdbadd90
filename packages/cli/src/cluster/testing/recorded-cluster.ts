/** Objects of a real cluster under the real Cluster API and capmvm, recorded at moments of its life; guests were played. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { FakeCluster } from "@liquidmetal/kubernetes/fake";
import {
  type Cluster,
  type Conditioned,
  type ControlPlane,
  clusters,
  controlPlanes,
  type Machine,
  type MicrovmMachine,
  machineDeployments,
  machines,
  microvmClusters,
  microvmMachines,
  type WorkerPool,
} from "../objects.ts";
import { arranged, type ClusterObjects } from "../tree/cluster-objects.ts";

export type Moment =
  | "infrastructure-ready"
  | "machine-is-new"
  | "waiting-for-bootstrap-data"
  | "control-plane-boots"
  | "control-plane-available"
  | "available"
  | "scaling-up"
  | "deleting";

export interface RecordedObjects {
  readonly clusters: readonly Cluster[];
  readonly controlPlanes: readonly ControlPlane[];
  readonly microvmClusters: readonly Conditioned[];
  readonly machines: readonly Machine[];
  readonly machineDeployments: readonly WorkerPool[];
  readonly machinePools: readonly WorkerPool[];
  readonly microvmMachines: readonly MicrovmMachine[];
}

/** When all of it was recorded, a little later. */
export const recordedMs: number = Date.parse("2026-11-23T19:52:10Z");

export function recorded(moment: Moment): RecordedObjects {
  return JSON.parse(readFileSync(join(import.meta.dirname, "../tree/recorded", `${moment}.json`), "utf8"));
}

export function recordedCluster(
  moment: Moment,
  change: (objects: RecordedObjects) => RecordedObjects = (each) => each,
): ClusterObjects {
  const objects = change(recorded(moment));
  return arranged(objects.clusters[0], { ...objects, infrastructures: objects.microvmClusters });
}

/** Puts what was recorded into an API server; what an earlier moment put there is replaced. */
export async function put(api: FakeCluster, moment: Moment): Promise<void> {
  const objects = recorded(moment);
  const client = api.client({ fieldManager: "recorded" });
  const lists = [
    [clusters, objects.clusters],
    [controlPlanes, objects.controlPlanes],
    [microvmClusters, objects.microvmClusters],
    [machines, objects.machines],
    [machineDeployments, objects.machineDeployments],
    [microvmMachines, objects.microvmMachines],
  ] as const;
  for (const [kind, list] of lists) {
    for (const object of list as readonly Conditioned[]) {
      const key = { namespace: "default", name: object.metadata?.name ?? "" };
      const there = await client.find(kind, key);
      const { deletionTimestamp: _, ...metadata } = object.metadata ?? {};
      const observed = {
        ...object.status,
        observedGeneration: there?.metadata?.generation ?? 1,
        conditions: (object.status?.conditions ?? []).map((each) => ({
          ...each,
          observedGeneration: there?.metadata?.generation ?? 1,
        })),
      };
      if (there === undefined) api.put(kind, { ...object, metadata, status: observed });
      else await client.mergePatch(kind, key, { status: observed }, { subresource: "status" });
    }
  }
}
