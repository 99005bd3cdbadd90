/**
 * Cluster API's three managers as processes.
 *
 * Each acts as its real ServiceAccount: what its RBAC does not allow fails here as it would in a cluster. No leader election: outside of a cluster they know no namespace
 * for it, and the plane runs one of each. Their webhook servers listen on all addresses and have no flag for that: TLS protects them, a network namespace of the
 * plane's own or a firewall hides them.
 */
import type { ClusterApiProvider } from "../manifests/cluster-api-manifests.ts";
import type { InstalledProvider } from "../manifests/clusterctl-inventory.ts";
import { clusterApiVersion, type ProgramName } from "../programs/software.ts";
import type { ProcessPlan } from "./process-plan.ts";

export interface ManagerIdentity {
  /** As clusterctl would have installed it; where its service account is. */
  readonly installed: InstalledProvider;
  readonly serviceAccount: string;
  /** ClusterRole whose rules kube-controller-manager collects; the manager may do nothing before. Absent = its role stands by itself. */
  readonly aggregatedRole?: string;
  /** `<namespace>/<name>` of the Service that its webhooks have in a cluster. */
  readonly webhookService: string;
}

interface ManagerDescription extends ManagerIdentity {
  readonly program: ProgramName;
  readonly featureGates: string;
}

export const clusterApiManagers: Readonly<Record<ClusterApiProvider, ManagerDescription>> = {
  "cluster-api": {
    program: "cluster-api-controller",
    installed: { name: "cluster-api", type: "CoreProvider", version: clusterApiVersion, namespace: "capi-system" },
    serviceAccount: "capi-manager",
    aggregatedRole: "capi-aggregated-manager-role",
    webhookService: "capi-system/capi-webhook-service",
    featureGates: "ClusterTopology=true,MachinePool=true",
  },
  "kubeadm-bootstrap": {
    program: "kubeadm-bootstrap-controller",
    installed: {
      name: "kubeadm",
      type: "BootstrapProvider",
      version: clusterApiVersion,
      namespace: "capi-kubeadm-bootstrap-system",
    },
    serviceAccount: "capi-kubeadm-bootstrap-manager",
    webhookService: "capi-kubeadm-bootstrap-system/capi-kubeadm-bootstrap-webhook-service",
    featureGates: "MachinePool=true",
  },
  "kubeadm-control-plane": {
    program: "kubeadm-control-plane-controller",
    installed: {
      name: "kubeadm",
      type: "ControlPlaneProvider",
      version: clusterApiVersion,
      namespace: "capi-kubeadm-control-plane-system",
    },
    serviceAccount: "capi-kubeadm-control-plane-manager",
    aggregatedRole: "capi-kubeadm-control-plane-aggregated-manager-role",
    webhookService: "capi-kubeadm-control-plane-system/capi-kubeadm-control-plane-webhook-service",
    featureGates: "ClusterTopology=true",
  },
};

export interface ManagerPlanOptions {
  readonly provider: ClusterApiProvider;
  readonly kubeconfig: string;
  /** Holds tls.crt and tls.key. */
  readonly webhookCertificates: string;
  readonly ports: { readonly webhook: number; readonly health: number };
  readonly environment: Readonly<Record<string, string>>;
}

export function managerPlan(options: ManagerPlanOptions): ProcessPlan {
  const { provider, kubeconfig, webhookCertificates, ports, environment } = options;
  const { program, featureGates } = clusterApiManagers[provider];
  return {
    name: provider,
    program,
    arguments: [
      `--kubeconfig=${kubeconfig}`,
      `--webhook-port=${ports.webhook}`,
      `--webhook-cert-dir=${webhookCertificates}`,
      `--health-addr=127.0.0.1:${ports.health}`,
      "--diagnostics-address=0",
      `--feature-gates=${featureGates}`,
    ],
    environment,
    ready: { url: `http://127.0.0.1:${ports.health}/readyz`, deadlineMs: 60_000 },
    after: [],
  };
}
