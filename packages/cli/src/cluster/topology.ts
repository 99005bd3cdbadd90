/** Changes what a Cluster of a ClusterClass asks for. */
import { PlatformError } from "@liquidmetal/foundation";
import { isConflict, type JsonPatch, keyOf } from "@liquidmetal/kubernetes";
import type { Session } from "../program/session.ts";
import { fieldManager, type ManagementCluster } from "./management-cluster.ts";
import { type Cluster, clusters } from "./objects.ts";

/** `operations` test what was read: OBJECT_CONFLICT when it is no longer so. */
export async function patchTopology(
  { signal }: Session,
  { client }: ManagementCluster,
  cluster: Cluster,
  operations: JsonPatch,
): Promise<void> {
  try {
    await client.jsonPatch(clusters, keyOf(cluster), operations, { signal, fieldManager });
  } catch (error) {
    if (!isConflict(error)) throw error;
    throw new PlatformError("OBJECT_CONFLICT", "the topology was changed by somebody else meanwhile", {
      cause: error,
      remedy: "look at it and try again",
    });
  }
}
