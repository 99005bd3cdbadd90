/**
 * Cluster, Machine and MachinePool of Cluster API as far as we read them. They are read in v1beta2 only; what we write is fields of ours by server-side apply.
 *
 * Source: cluster.x-k8s.io/v1beta2 of Cluster API 1.13.
 */
import { type Condition, type KubernetesObject, type Resource, resource } from "@liquidmetal/kubernetes";

/** A reference to an object in the same namespace; its version is found by the contract label of its CRD. */
export interface ContractReference {
  readonly apiGroup: string;
  readonly kind: string;
  readonly name: string;
}

export interface ClusterApiEndpoint {
  /** "" = not set. */
  readonly host?: string;
  /** 0 = not set. */
  readonly port?: number;
}

export interface Cluster extends KubernetesObject {
  readonly spec?: {
    readonly paused?: boolean;
    readonly controlPlaneEndpoint?: ClusterApiEndpoint;
    readonly controlPlaneRef?: ContractReference;
    readonly infrastructureRef?: ContractReference;
    readonly topology?: { readonly classRef?: { readonly name: string }; readonly version?: string };
  };
  readonly status?: {
    readonly initialization?: {
      readonly infrastructureProvisioned?: boolean;
      readonly controlPlaneInitialized?: boolean;
    };
    readonly phase?: string;
    readonly failureDomains?: readonly { readonly name: string; readonly controlPlane?: boolean }[];
    readonly conditions?: readonly Condition[];
  };
}

export interface MachineSpec {
  readonly clusterName?: string;
  readonly bootstrap?: { readonly configRef?: ContractReference; readonly dataSecretName?: string };
  readonly infrastructureRef?: ContractReference;
  readonly version?: string;
  readonly providerID?: string;
  readonly failureDomain?: string;
}

export interface Machine extends KubernetesObject {
  readonly spec?: MachineSpec;
  readonly status?: {
    readonly initialization?: {
      readonly infrastructureProvisioned?: boolean;
      readonly bootstrapDataSecretCreated?: boolean;
    };
    readonly nodeRef?: { readonly name: string };
    readonly phase?: string;
    readonly conditions?: readonly Condition[];
  };
}

export interface MachinePool extends KubernetesObject {
  readonly spec?: {
    readonly clusterName?: string;
    readonly replicas?: number;
    readonly template?: {
      readonly metadata?: {
        readonly labels?: Readonly<Record<string, string>>;
        readonly annotations?: Readonly<Record<string, string>>;
      };
      readonly spec?: MachineSpec;
    };
    readonly providerIDList?: readonly string[];
    readonly failureDomains?: readonly string[];
  };
  readonly status?: {
    readonly initialization?: {
      readonly infrastructureProvisioned?: boolean;
      readonly bootstrapDataSecretCreated?: boolean;
    };
    readonly replicas?: number;
    readonly phase?: string;
    readonly conditions?: readonly Condition[];
  };
}

export const clusterApiGroup = "cluster.x-k8s.io";

const version = "v1beta2";

export const clusters: Resource<Cluster> = resource<Cluster>({
  group: clusterApiGroup,
  version,
  kind: "Cluster",
  plural: "clusters",
  namespaced: true,
});

export const machines: Resource<Machine> = resource<Machine>({
  group: clusterApiGroup,
  version,
  kind: "Machine",
  plural: "machines",
  namespaced: true,
});

export const machinePools: Resource<MachinePool> = resource<MachinePool>({
  group: clusterApiGroup,
  version,
  kind: "MachinePool",
  plural: "machinepools",
  namespaced: true,
});
