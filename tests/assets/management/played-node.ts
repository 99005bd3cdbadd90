/** Nodes of a workload cluster as kubelets keep them, and the static pods of control planes; and Nodes of which nothing is heard any more. */
import type { Json, JsonApi } from "./json-api.ts";
import type { BootstrapData } from "./played-guests.ts";

const controlPlanePods = ["kube-apiserver", "kube-controller-manager", "kube-scheduler"] as const;
const controlPlaneRole = "node-role.kubernetes.io/control-plane";
const kubernetesVersion = "v1.36.3";

export async function playNode(api: JsonApi, { hostname, role, providerId }: BootstrapData): Promise<void> {
  const controlPlane = role !== "join-worker";
  const path = `/api/v1/nodes/${hostname}`;
  await api.apply(path, {
    apiVersion: "v1",
    kind: "Node",
    metadata: {
      name: hostname,
      labels: { "kubernetes.io/hostname": hostname, ...(controlPlane && { [controlPlaneRole]: "" }) },
    },
    spec: { ...(providerId !== "" && { providerID: providerId }) },
  });
  if (controlPlane) {
    // Set once: Cluster API changes taints too, and lists of taints have one owner.
    const { spec } = await api.get(path);
    const taints: readonly Json[] = spec.taints ?? [];
    const own = { key: controlPlaneRole, effect: "NoSchedule" };
    if (!taints.some(({ key }) => key === own.key)) await api.merge(path, { spec: { taints: [...taints, own] } });
    for (const name of controlPlanePods) await playStaticPod(api, name, hostname);
  }
  await api.apply(`${path}/status`, {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name: hostname },
    status: { nodeInfo, conditions: conditions("True", "KubeletReady", "kubelet is posting ready status") },
  });
}

/** As the node lifecycle controller leaves a Node whose kubelet is silent. A Node that is gone is left alone. */
export async function markSilent(api: JsonApi, hostname: string): Promise<void> {
  const path = `/api/v1/nodes/${hostname}`;
  if ((await api.find(path)) === undefined) return;
  await api.apply(`${path}/status`, {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name: hostname },
    status: {
      nodeInfo,
      conditions: conditions("Unknown", "NodeStatusUnknown", "Kubelet stopped posting node status."),
    },
  });
}

const nodeInfo = {
  architecture: "amd64",
  bootID: "played",
  containerRuntimeVersion: "containerd://2.3.7",
  kernelVersion: "6.1.0",
  kubeProxyVersion: "",
  kubeletVersion: kubernetesVersion,
  machineID: "played",
  operatingSystem: "linux",
  osImage: "Debian GNU/Linux 12 (bookworm)",
  systemUUID: "played",
};

function conditions(ready: "True" | "Unknown", reason: string, message: string): readonly Json[] {
  const now = new Date().toISOString().replace(/\.\d+Z$/, "Z");
  const pressure = ready === "True" ? "False" : "Unknown";
  const condition = (type: string, status: string): Json => ({
    type,
    status,
    reason,
    message,
    lastHeartbeatTime: now,
    lastTransitionTime: now,
  });
  return [
    condition("MemoryPressure", pressure),
    condition("DiskPressure", pressure),
    condition("PIDPressure", pressure),
    condition("Ready", ready),
  ];
}

async function playStaticPod(api: JsonApi, name: string, hostname: string): Promise<void> {
  const pod = `${name}-${hostname}`;
  const path = `/api/v1/namespaces/kube-system/pods/${pod}`;
  const header = { apiVersion: "v1", kind: "Pod" };
  await api.apply(path, {
    ...header,
    metadata: {
      name: pod,
      namespace: "kube-system",
      labels: { component: name, tier: "control-plane" },
      annotations: { "kubernetes.io/config.mirror": "played", "kubernetes.io/config.source": "file" },
    },
    spec: { nodeName: hostname, hostNetwork: true, containers: [{ name, image: `${name}:${kubernetesVersion}` }] },
  });
  const condition = (type: string): Json => ({ type, status: "True" });
  await api.apply(`${path}/status`, {
    ...header,
    metadata: { name: pod, namespace: "kube-system" },
    status: {
      phase: "Running",
      conditions: ["PodScheduled", "Initialized", "ContainersReady", "Ready"].map(condition),
    },
  });
}
