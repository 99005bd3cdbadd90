/** Manifests of a Cluster on microVMs, as a user writes them, small enough to read: v1beta2 of Cluster API and of the provider. */
import type { Manifest } from "@liquidmetal/management-plane";
import type { PlayedCluster } from "./played-cluster.ts";

export interface ClusterManifestsOptions {
  readonly cluster: PlayedCluster;
  /** Endpoints of hosts. */
  readonly hosts: readonly string[];
  /** Endpoints of those that take no control planes. */
  readonly workersOnly?: readonly string[];
  readonly controlPlanes: number;
  readonly workers: number;
  readonly version?: string;
  readonly controlPlaneMachine?: Readonly<Record<string, unknown>>;
  readonly workerMachine?: Readonly<Record<string, unknown>>;
  /** Added to the spec of the MicrovmCluster. */
  readonly microvmCluster?: Readonly<Record<string, unknown>>;
}

const core = "cluster.x-k8s.io";
const infrastructure = "infrastructure.cluster.x-k8s.io";
const bootstrap = "bootstrap.cluster.x-k8s.io";
const controlPlane = "controlplane.cluster.x-k8s.io";
export const kubernetesVersion = "v1.36.3";

export function clusterManifests(options: ClusterManifestsOptions): readonly Manifest[] {
  const { cluster, hosts, controlPlanes, workers, version = kubernetesVersion, workersOnly = [] } = options;
  const { name, namespace, endpoint } = cluster;
  const object = (group: string, kind: string, objectName: string, spec: object): Manifest => ({
    apiVersion: `${group}/v1beta2`,
    kind,
    metadata: { name: objectName, namespace },
    spec,
  });
  return [
    object(infrastructure, "MicrovmCluster", name, {
      controlPlaneEndpoint: endpoint,
      placement: {
        staticPool: {
          hosts: hosts.map((each) => ({ endpoint: each, controlPlaneAllowed: !workersOnly.includes(each) })),
        },
      },
      ...options.microvmCluster,
    }),
    object(core, "Cluster", name, {
      clusterNetwork: { pods: { cidrBlocks: ["192.168.0.0/16"] } },
      infrastructureRef: { apiGroup: infrastructure, kind: "MicrovmCluster", name },
      controlPlaneRef: { apiGroup: controlPlane, kind: "KubeadmControlPlane", name: `${name}-control-plane` },
    }),
    machineTemplate(namespace, `${name}-control-plane`, options.controlPlaneMachine),
    object(controlPlane, "KubeadmControlPlane", `${name}-control-plane`, {
      replicas: controlPlanes,
      version,
      machineTemplate: {
        spec: { infrastructureRef: templateRef(`${name}-control-plane`), deletion: { nodeDrainTimeoutSeconds: 5 } },
      },
      kubeadmConfigSpec: {
        clusterConfiguration: { etcd: cluster.externalEtcd },
        initConfiguration: { nodeRegistration: nodeRegistration() },
        joinConfiguration: { nodeRegistration: nodeRegistration() },
      },
    }),
    machineTemplate(namespace, `${name}-workers`, options.workerMachine),
    object(bootstrap, "KubeadmConfigTemplate", `${name}-workers`, {
      template: { spec: { joinConfiguration: { nodeRegistration: nodeRegistration() } } },
    }),
    object(core, "MachineDeployment", `${name}-workers`, {
      clusterName: name,
      replicas: workers,
      selector: { matchLabels: {} },
      rollout: { strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: "100%" } } },
      template: { spec: machineSpec(name, `${name}-workers`, version) },
    }),
  ];
}

/** Of Machines of a MachineDeployment or MachinePool. */
export function machineSpec(clusterName: string, template: string, version: string = kubernetesVersion): object {
  return {
    clusterName,
    version,
    bootstrap: { configRef: { apiGroup: bootstrap, kind: "KubeadmConfigTemplate", name: `${clusterName}-workers` } },
    infrastructureRef: templateRef(template),
    deletion: { nodeDrainTimeoutSeconds: 5 },
  };
}

export function machineTemplate(
  namespace: string,
  name: string,
  overrides: Readonly<Record<string, unknown>> = {},
): Manifest {
  return {
    apiVersion: `${infrastructure}/v1beta2`,
    kind: "MicrovmMachineTemplate",
    metadata: { name, namespace },
    spec: { template: { spec: { ...microVm, ...overrides } } },
  };
}

/** A MachinePool, its bootstrap configuration and its infrastructure. */
export function machinePool(
  { name: clusterName, namespace }: PlayedCluster,
  name: string,
  replicas: number,
): readonly Manifest[] {
  const object = (group: string, kind: string, spec: object): Manifest => ({
    apiVersion: `${group}/v1beta2`,
    kind,
    metadata: { name, namespace },
    spec,
  });
  return [
    object(bootstrap, "KubeadmConfig", { joinConfiguration: { nodeRegistration: nodeRegistration() } }),
    object(infrastructure, "MicrovmMachinePool", { template: { spec: microVm } }),
    object(core, "MachinePool", {
      clusterName,
      replicas,
      template: {
        spec: {
          clusterName,
          version: kubernetesVersion,
          bootstrap: { configRef: { apiGroup: bootstrap, kind: "KubeadmConfig", name } },
          infrastructureRef: { apiGroup: infrastructure, kind: "MicrovmMachinePool", name },
        },
      },
    }),
  ];
}

/** Adoption by provider id: flintlock tells the guest its uid, capmvm the host. */
export function nodeRegistration(): object {
  const providerId = "microvm://{{ ds.meta_data.vm_host }}/{{ ds.meta_data.instance_id }}";
  return {
    name: "{{ ds.meta_data.local_hostname }}",
    kubeletExtraArgs: [{ name: "provider-id", value: providerId }],
  };
}

export const templateRef = (name: string): object => ({
  apiGroup: infrastructure,
  kind: "MicrovmMachineTemplate",
  name,
});

const microVm = {
  vcpu: 2,
  memoryMiB: 2048,
  rootVolume: { id: "root", image: "registry.test/kubernetes:1.36.3" },
  kernel: { image: "registry.test/kernel:6.1", filename: "boot/vmlinux" },
  networkInterfaces: [{ guestDeviceName: "eth1", type: "macvtap" }],
};
