/** MicrovmClusters: their reconciler, and what it needs that others have to open. */
export { clusterController } from "./cluster-controller.ts";
export { microvmClusterIndexes } from "./ownership.ts";
export { controlPlaneProbe } from "./probe-control-plane.ts";
