/** For tests of the cluster and pool reconcilers: an API server, hosts, secrets and control planes, all played; and short words for what tests often do. */
import { FakeClock, type PlatformError } from "@liquidmetal/foundation";
import { findCondition, type KubernetesObject, type ObjectKey } from "@liquidmetal/kubernetes";
import { FakeCluster } from "@liquidmetal/kubernetes/fake";
import {
  type Cluster,
  clusters,
  type IpAddressClaim,
  ipAddressClaims,
  type MicrovmCluster,
  type MicrovmClusterSpec,
  type MicrovmMachine,
  microvmClusters,
  microvmMachines,
} from "../api/index.ts";
import type { ClusterDependencies } from "../cluster/cluster-dependencies.ts";
import type { ProbeAnswer } from "../cluster/control-plane-probes.ts";
import { microvmClusterIndexes } from "../cluster/ownership.ts";
import { FakeHosts } from "../hosts/fake-hosts.ts";
import { machineIndexes } from "../machine/wake-ups.ts";
import { LiveCache } from "./live-cache.ts";

export const hostA = "10.0.0.1:9090";
export const hostB = "10.0.0.2:9090";

export interface ToldEvent {
  readonly object: string;
  readonly type: "Normal" | "Warning";
  readonly reason: string;
  readonly message: string;
}

export class ClusterWorld implements ClusterDependencies {
  readonly clock: FakeClock = new FakeClock();
  readonly api: FakeCluster = new FakeCluster({
    clock: this.clock,
    listKeys: { "status.hosts": ["endpoint"], "status.failureDomains": ["name"] },
  });
  readonly entropy = { bytes: (length: number): Uint8Array => new Uint8Array(length), fraction: (): number => 0.5 };
  readonly client: ReturnType<FakeCluster["client"]> = this.api.client({ fieldManager: "capmvm" });
  readonly caches: {
    readonly microvmClusters: LiveCache<MicrovmCluster>;
    readonly clusters: LiveCache<Cluster>;
    readonly microvmMachines: LiveCache<MicrovmMachine>;
    readonly ipAddressClaims: LiveCache<IpAddressClaim>;
  } = {
    microvmClusters: new LiveCache<MicrovmCluster>(this.api, microvmClusters, microvmClusterIndexes),
    clusters: new LiveCache<Cluster>(this.api, clusters),
    microvmMachines: new LiveCache<MicrovmMachine>(this.api, microvmMachines, machineIndexes),
    ipAddressClaims: new LiveCache<IpAddressClaim>(this.api, ipAddressClaims),
  };
  readonly hosts: FakeHosts = new FakeHosts(this.clock);
  /** What is wrong with the secrets for which endpoint. */
  readonly faults: Map<string, PlatformError> = new Map();
  readonly told: ToldEvent[] = [];
  answer: ProbeAnswer = { answer: "nodes", message: "" };
  probed = 0;

  readonly accessOf: ClusterDependencies["accessOf"] = async (_, endpoint) => {
    const fault = this.faults.get(endpoint);
    if (fault !== undefined) throw fault;
    return { endpoint };
  };

  readonly probe = async (): Promise<ProbeAnswer> => {
    this.probed++;
    return this.answer;
  };

  readonly events: ClusterDependencies["events"] = {
    normal: (object, reason, message) => this.#tell(object, "Normal", reason, message),
    warning: (object, reason, message) => this.#tell(object, "Warning", reason, message),
  };

  /** A Cluster and its MicrovmCluster of the same name, owned as Cluster API would have it. */
  addCluster(
    name: string,
    parts: {
      /** Default `ns`. */
      readonly namespace?: string;
      readonly spec?: Partial<MicrovmClusterSpec>;
      readonly cluster?: Pick<Cluster, "spec" | "status">;
      readonly metadata?: KubernetesObject["metadata"];
    } = {},
  ): ObjectKey {
    const { namespace = "ns" } = parts;
    const cluster = this.api.put(clusters, {
      metadata: { namespace, name },
      ...parts.cluster,
      spec: {
        infrastructureRef: { apiGroup: "infrastructure.cluster.x-k8s.io", kind: "MicrovmCluster", name },
        ...parts.cluster?.spec,
      },
    });
    const owner = { apiVersion: "cluster.x-k8s.io/v1beta2", kind: "Cluster", name, uid: cluster.metadata?.uid ?? "" };
    this.api.put(microvmClusters, {
      metadata: { namespace, name, ownerReferences: [owner], ...parts.metadata },
      spec: { ...poolOf(hostA, hostB), ...parts.spec },
    });
    return { namespace, name };
  }

  /** A machine of the cluster, on `endpoint` if given. */
  addMachine(cluster: string, name: string, endpoint?: string): ObjectKey {
    const namespace = "ns";
    this.api.put(microvmMachines, {
      metadata: {
        namespace,
        name,
        labels: { "cluster.x-k8s.io/cluster-name": cluster },
        ...(endpoint === undefined ? {} : { annotations: { "capmvm.liquidmetal.dev/host": endpoint } }),
      },
      spec: machineSpec,
    });
    return { namespace, name };
  }

  microvmCluster(key: ObjectKey): MicrovmCluster {
    const object = this.api.read(microvmClusters, key);
    if (object === undefined) throw new Error(`${key.name} is gone`);
    return object;
  }

  /** "False WaitingForEndpoint: …" of one condition; "" when it is not there. */
  condition(key: ObjectKey, type: string): string {
    const condition = findCondition(this.microvmCluster(key).status?.conditions, type);
    if (condition === undefined) return "";
    const { status, reason, message } = condition;
    return `${status} ${reason}${message === "" ? "" : `: ${message}`}`;
  }

  endpoint(key: ObjectKey): string {
    return this.microvmCluster(key).spec.controlPlaneEndpoint?.host ?? "";
  }

  #tell(object: KubernetesObject, type: ToldEvent["type"], reason: string, message: string): void {
    this.told.push({ object: object.metadata?.name ?? "", type, reason, message });
  }
}

export const machineSpec: MicrovmMachine["spec"] = {
  vcpu: 2,
  memoryMiB: 2_048,
  rootVolume: { id: "root", image: "node:1", readOnly: false },
  kernel: { image: "kernel:1", filename: "boot/vmlinux" },
  networkInterfaces: [{ guestDeviceName: "eth0", type: "tap" }],
};

export function poolOf(...endpoints: readonly string[]): Pick<MicrovmClusterSpec, "placement"> {
  const hosts = endpoints.map((endpoint) => ({ endpoint, controlPlaneAllowed: true }));
  return { placement: { staticPool: { hosts } } };
}
