/**
 * The objects that make up a cluster, as far as the command line reads them: Cluster API's in v1beta2, ours in v1beta2, nodes of the workload cluster.
 *
 * Source: cluster.x-k8s.io, controlplane.cluster.x-k8s.io and infrastructure.cluster.x-k8s.io in v1beta2 (Cluster API 1.11 and later).
 */
import { type Condition, type KubernetesObject, type Resource, resource } from "@liquidmetal/kubernetes";

export interface Reference {
  readonly apiGroup?: string;
  readonly kind: string;
  readonly name: string;
}

/** Whatever has conditions. */
export interface Conditioned extends KubernetesObject {
  readonly status?: { readonly conditions?: readonly Condition[] };
}

export interface Replicas {
  readonly observedGeneration?: number;
  readonly replicas?: number;
  readonly readyReplicas?: number;
  readonly availableReplicas?: number;
  readonly upToDateReplicas?: number;
  readonly conditions?: readonly Condition[];
}

interface MachineTopology {
  readonly class?: string;
  readonly name: string;
  readonly replicas?: number;
}

export interface Cluster extends KubernetesObject {
  readonly spec?: {
    readonly paused?: boolean;
    readonly controlPlaneEndpoint?: { readonly host?: string; readonly port?: number };
    readonly controlPlaneRef?: Reference;
    readonly infrastructureRef?: Reference;
    readonly topology?: {
      readonly classRef?: { readonly name: string };
      readonly version?: string;
      readonly controlPlane?: { readonly replicas?: number };
      readonly workers?: {
        readonly machineDeployments?: readonly MachineTopology[];
        readonly machinePools?: readonly MachineTopology[];
      };
      readonly variables?: readonly { readonly name: string; readonly value: unknown }[];
    };
  };
  readonly status?: {
    readonly phase?: string;
    readonly conditions?: readonly Condition[];
    readonly controlPlane?: Replicas & { readonly desiredReplicas?: number };
    readonly workers?: Replicas & { readonly desiredReplicas?: number };
    readonly initialization?: {
      readonly infrastructureProvisioned?: boolean;
      readonly controlPlaneInitialized?: boolean;
    };
  };
}

export interface Machine extends KubernetesObject {
  readonly spec?: {
    readonly clusterName?: string;
    readonly version?: string;
    readonly providerID?: string;
    readonly infrastructureRef?: Reference;
    readonly bootstrap?: { readonly dataSecretName?: string };
  };
  readonly status?: {
    readonly phase?: string;
    readonly nodeRef?: { readonly name: string };
    readonly initialization?: {
      readonly infrastructureProvisioned?: boolean;
      readonly bootstrapDataSecretCreated?: boolean;
    };
    readonly conditions?: readonly Condition[];
  };
}

export interface MachineSpec {
  readonly version?: string;
  readonly infrastructureRef?: Reference;
}

/** MachineDeployment or MachinePool. */
export interface WorkerPool extends KubernetesObject {
  readonly spec?: {
    readonly clusterName?: string;
    readonly replicas?: number;
    readonly template?: { readonly spec?: MachineSpec };
  };
  readonly status?: Replicas;
}

export interface ControlPlane extends KubernetesObject {
  readonly spec?: {
    readonly replicas?: number;
    readonly version?: string;
    readonly machineTemplate?: { readonly spec?: { readonly infrastructureRef?: Reference } };
  };
  readonly status?: Replicas & { readonly version?: string };
}

export interface MicrovmMachine extends KubernetesObject {
  readonly spec?: { readonly providerID?: string };
  readonly status?: {
    readonly failureDomain?: string;
    readonly vmState?: string;
    readonly addresses?: readonly { readonly type: string; readonly address: string }[];
    readonly conditions?: readonly Condition[];
  };
}

export interface MicrovmMachineTemplate extends KubernetesObject {
  readonly spec?: {
    readonly template?: {
      readonly metadata?: unknown;
      readonly spec?: {
        readonly rootVolume?: { readonly image?: string };
        readonly kernel?: { readonly image?: string; readonly filename?: string };
        readonly initrd?: { readonly image?: string; readonly filename?: string };
      };
    };
  };
}

export interface Secret extends KubernetesObject {
  /** Base64 by key. */
  readonly data?: Readonly<Record<string, string>>;
}

export interface Node extends KubernetesObject {
  readonly spec?: { readonly providerID?: string; readonly unschedulable?: boolean };
  readonly status?: {
    readonly conditions?: readonly Condition[];
    readonly addresses?: readonly { readonly type: string; readonly address: string }[];
    readonly nodeInfo?: { readonly kubeletVersion?: string; readonly osImage?: string };
  };
}

export const clusterNameLabel = "cluster.x-k8s.io/cluster-name";
export const controlPlaneLabel = "cluster.x-k8s.io/control-plane";
export const deploymentNameLabel = "cluster.x-k8s.io/deployment-name";
export const poolNameLabel = "cluster.x-k8s.io/pool-name";
/** Of a worker pool that a topology made: its name there. */
export const topologyNameLabel = "topology.cluster.x-k8s.io/deployment-name";
/** What a ClusterResourceSet of ours selects. */
export const addonsLabel = "capmvm.liquidmetal.dev/addons";

const named = <T extends KubernetesObject>(group: string, kind: string, version = "v1beta2"): Resource<T> =>
  resource<T>({ group, version, kind, plural: `${kind.toLowerCase()}s`, namespaced: true });

const core = "cluster.x-k8s.io";
const infrastructure = "infrastructure.cluster.x-k8s.io";

export const clusters: Resource<Cluster> = named("cluster.x-k8s.io", "Cluster");
export const machines: Resource<Machine> = named(core, "Machine");
export const machineDeployments: Resource<WorkerPool> = named(core, "MachineDeployment");
export const machinePools: Resource<WorkerPool> = named(core, "MachinePool");
export const controlPlanes: Resource<ControlPlane> = named("controlplane.cluster.x-k8s.io", "KubeadmControlPlane");
export const microvmClusters: Resource<Conditioned> = named(infrastructure, "MicrovmCluster");
export const microvmMachines: Resource<MicrovmMachine> = named(infrastructure, "MicrovmMachine");
export const microvmMachineTemplates: Resource<MicrovmMachineTemplate> = named(
  infrastructure,
  "MicrovmMachineTemplate",
);
export const secrets: Resource<Secret> = named("", "Secret", "v1");
export const namespaces: Resource = { ...named("", "Namespace", "v1"), namespaced: false };
export const nodes: Resource<Node> = { ...named<Node>("", "Node", "v1"), namespaced: false };

/** The kind of any object of a manifest, its plural by English grammar as far as kinds of Kubernetes need it. */
export function resourceOf(object: KubernetesObject): Resource {
  const { apiVersion = "v1", kind = "" } = object;
  const [group, version] = apiVersion.includes("/") ? apiVersion.split("/", 2) : ["", apiVersion];
  const lower = kind.toLowerCase();
  const plural = /(s|x|ch|sh)$/.test(lower)
    ? `${lower}es`
    : /[^aeiou]y$/.test(lower)
      ? `${lower.slice(0, -1)}ies`
      : `${lower}s`;
  return resource({
    group: group ?? "",
    version: version ?? "v1",
    kind,
    plural,
    namespaced: kind !== "Namespace",
  });
}
