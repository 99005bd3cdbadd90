/** MicrovmClusters: their reconciler, and how they are found from other objects. */
export { clusterController } from "./cluster-controller.ts";
export type { ClusterDependencies, TellEvent } from "./cluster-dependencies.ts";
export type { ProbeAnswer, ProbeControlPlane } from "./control-plane-probes.ts";
export {
  clusterKeyOfMachine,
  indexKey,
  microvmClusterIndexes,
  microvmClusterKey,
  microvmMachineIndexes,
  ownerClusterKey,
} from "./ownership.ts";
export type { AccessFault, ResolveAccess, ResolvedAccess } from "./pool-hosts.ts";
export { controlPlaneProbe } from "./probe-control-plane.ts";
