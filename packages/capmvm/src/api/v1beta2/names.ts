/**
 * Names that are API: group, finalizers, annotations, labels, metadata keys. What stands on objects of users never changes its spelling.
 *
 * Source: upstream's capmvm (group, machine finalizer, provider id, metadata keys); Cluster API contract v1beta2 (its labels and annotations).
 */
export const infrastructureGroup = "infrastructure.cluster.x-k8s.io";
export const infrastructureApiVersion = "infrastructure.cluster.x-k8s.io/v1beta2";

/** Upstream's: a microVM is behind it, or may be. */
export const machineFinalizer = "microvmmachine.infrastructure.cluster.x-k8s.io";
export const clusterFinalizer = "microvmcluster.infrastructure.cluster.x-k8s.io";
export const machinePoolFinalizer = "microvmmachinepool.infrastructure.cluster.x-k8s.io";

/** Owner of the fields that the controller writes. */
export const fieldManager = "capmvm";

/** Annotations of ours. */
export const annotations = {
  /** On a MicrovmMachine: endpoint of the host that was chosen; written before the create call. */
  host: "capmvm.liquidmetal.dev/host",
  /** On a MicrovmMachine: uid it had when it was first placed; survives `clusterctl move`. Also the label of the microVM on its host. */
  identity: "capmvm.liquidmetal.dev/identity",
  /** On a MicrovmMachine of a pool: the only host where it may run; its Machine names none. */
  failureDomain: "capmvm.liquidmetal.dev/failure-domain",
  /** On a MicrovmMachine or MicrovmCluster, "true": deletion lets go of microVMs on hosts that cannot be reached. */
  abandonUnreachableHost: "capmvm.liquidmetal.dev/abandon-unreachable-host",
  /** What the other API version cannot hold, as JSON. Written and read by the conversion only. */
  conversionData: "capmvm.liquidmetal.dev/conversion-data",
} as const;

/** Cluster API's labels and annotations that we act on. */
export const clusterApiNames = {
  clusterNameLabel: "cluster.x-k8s.io/cluster-name",
  controlPlaneLabel: "cluster.x-k8s.io/control-plane",
  machinePoolLabel: "cluster.x-k8s.io/pool-name",
  watchFilterLabel: "cluster.x-k8s.io/watch-filter",
  pausedAnnotation: "cluster.x-k8s.io/paused",
  managedByAnnotation: "cluster.x-k8s.io/managed-by",
  topologyDryRunAnnotation: "topology.cluster.x-k8s.io/dry-run",
  clusterctlMoveLabel: "clusterctl.cluster.x-k8s.io/move",
} as const;

/** Keys of meta-data that users' templates read (`{{ ds.meta_data.vm_host }}`); flintlock adds `instance_id`. */
export const metadataKeys = {
  localHostname: "local_hostname",
  platform: "platform",
  vmHost: "vm_host",
  instanceId: "instance_id",
  machineIdentity: "machine_identity",
} as const;

/** Label of the microVM with the name of its Cluster: upstream's. */
export const clusterNameVmLabel = "cluster-name";
