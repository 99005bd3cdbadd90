/** The management plane: etcd, Kubernetes' API server and controllers, Cluster API's controllers, as plain processes of one machine. */

export { type CertificateRequest, type KeyPairFiles, makeCertificate } from "./certificates/openssl.ts";
export { type PlaneCertificates, planeCertificates } from "./certificates/plane-certificates.ts";
export {
  type ClusterApiProvider,
  clusterApiManifests,
  clusterApiProviders,
} from "./manifests/cluster-api-manifests.ts";
export { asInstalled, type InstalledProvider, inventoryEntry } from "./manifests/clusterctl-inventory.ts";
export { kustomizeBuild, parseManifests } from "./manifests/kustomize.ts";
export { inOrder, type Manifest } from "./manifests/manifest.ts";
export { type OutsideClusterOptions, outsideCluster } from "./manifests/outside-cluster.ts";
export { type ApiServerPlanOptions, apiServerPlan, apiServerPorts } from "./plan/api-server-plan.ts";
export {
  clusterApiManagers,
  type ManagerIdentity,
  type ManagerPlanOptions,
  managerPlan,
} from "./plan/cluster-api-plan.ts";
export { embeddedKubeconfig, type Identity, kubeconfig } from "./plan/kubeconfig.ts";
export { freePorts } from "./plan/ports.ts";
export { type ProcessPlan, type ReadinessProbe, smallMemory } from "./plan/process-plan.ts";
export {
  clusterApiSource,
  type ManagementPrograms,
  managementPrograms,
  type ProgramsRequest,
} from "./programs/management-programs.ts";
export {
  clusterApiVersion,
  etcdVersion,
  kubernetesVersion,
  kustomizeVersion,
  managementSoftware,
  type ProgramName,
} from "./programs/software.ts";
export {
  type ClusterApiOptions,
  type ProviderSeat,
  type RunningClusterApi,
  type SeatOptions,
  seat,
  startClusterApi,
} from "./runner/cluster-api.ts";
export { closeToOthers, type Firewall } from "./runner/firewall.ts";
export { Kubectl } from "./runner/kubectl.ts";
export { type ApiPlaneOptions, ManagementPlane } from "./runner/management-plane.ts";
export { PlaneProcess } from "./runner/plane-process.ts";
