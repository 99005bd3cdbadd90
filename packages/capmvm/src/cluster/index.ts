/** MicrovmClusters: their reconciler, and how they are found from other objects. */
export { clusterController } from "./cluster-controller.ts";
export type { ClusterCaches, ClusterDependencies, ClusterEvents } from "./cluster-dependencies.ts";
export type { ProbeAnswer, ProbeControlPlane } from "./control-plane-probes.ts";
export {
  clusterKeyOfMachine,
  indexKey,
  microvmClusterIndexes,
  microvmClusterKey,
  ownerClusterKey,
} from "./ownership.ts";
export type { AccessFault, AccessOf } from "./pool-hosts.ts";
export { controlPlaneProbe } from "./probe-control-plane.ts";
