/**
 * Which hosts have no room for one more control plane, and since when.
 *
 * What one takes: vCPUs and memory of the newest control-plane machine of the cluster; before there is one, the least that kubeadm runs with. Hosts that tell
 * no numbers have room. A control plane that is being deleted gives its room back at once, because the one that replaces it is sent somewhere by then.
 * A host that was offered until now and has filled up keeps the moment when that was seen; one that was not offered, or is new, is full since ever.
 */
import { keyText, type ObjectKey } from "@liquidmetal/kubernetes";
import { clusterApiNames, type MicrovmCluster, type MicrovmMachine } from "../api/index.ts";
import { endpointOf } from "./cluster-machines.ts";
import type { PoolHost } from "./pool-hosts.ts";

type Room = Pick<MicrovmMachine["spec"], "vcpu" | "memoryMiB">;

/** Source: kubeadm's preflight checks. */
const leastOfControlPlane: Room = { vcpu: 2, memoryMiB: 1_700 };

export class HostRoom {
  /** By cluster, then endpoint: milliseconds since the epoch. */
  readonly #full: Map<string, ReadonlyMap<string, number>> = new Map();

  /** Hosts without room, and since when, in milliseconds since the epoch; 0 = since ever. */
  fullSince(
    cluster: MicrovmCluster,
    key: ObjectKey,
    hosts: readonly PoolHost[],
    machines: readonly MicrovmMachine[],
    nowMs: number,
  ): ReadonlyMap<string, number> {
    const before = this.#full.get(keyText(key));
    const controlPlanes = machines.filter(
      ({ metadata }) => metadata?.labels?.[clusterApiNames.controlPlaneLabel] !== undefined,
    );
    const wanted = newestOf(controlPlanes)?.spec ?? leastOfControlPlane;
    const full = new Map<string, number>();
    for (const host of hosts) {
      const { endpoint } = host.spec;
      const free = freeOf(host);
      if (free === undefined) continue;
      const going = controlPlanes.filter(
        (machine) => machine.metadata?.deletionTimestamp !== undefined && endpointOf(machine) === endpoint,
      );
      const vcpu = going.reduce((sum, { spec }) => sum + spec.vcpu, free.vcpu);
      const memoryMiB = going.reduce((sum, { spec }) => sum + spec.memoryMiB, free.memoryMiB);
      if (vcpu >= wanted.vcpu && memoryMiB >= wanted.memoryMiB) continue;
      full.set(endpoint, before?.get(endpoint) ?? (wasOffered(cluster, endpoint) ? nowMs : 0));
    }
    this.#full.set(keyText(key), full);
    return full;
  }

  forget(key: ObjectKey): void {
    this.#full.delete(keyText(key));
  }
}

function newestOf(machines: readonly MicrovmMachine[]): MicrovmMachine | undefined {
  const age = ({ metadata }: MicrovmMachine): string => `${metadata?.creationTimestamp ?? ""} ${metadata?.name ?? ""}`;
  return machines.toSorted((a, b) => (age(a) < age(b) ? 1 : -1))[0];
}

const mebibyte = 1_048_576;

/** Undefined = the host tells no numbers. One that was not heard of yet is as it was last written. */
function freeOf({ facts, remembered }: PoolHost): Room | undefined {
  if (facts !== undefined) {
    const { allocatable, allocated } = facts;
    const memoryMiB = Math.floor((allocatable.memoryBytes - allocated.memoryBytes) / mebibyte);
    return { vcpu: allocatable.vcpu - allocated.vcpu, memoryMiB };
  }
  const { allocatable, allocated } = remembered ?? {};
  if (allocatable === undefined || allocated === undefined) return undefined;
  return { vcpu: allocatable.vcpu - allocated.vcpu, memoryMiB: allocatable.memoryMiB - allocated.memoryMiB };
}

/** Whether control planes were sent there until now, by its numbers: a host whose numbers were never written was not looked at in this respect. */
function wasOffered({ status }: MicrovmCluster, endpoint: string): boolean {
  const offered = status?.failureDomains?.find(({ name }) => name === endpoint)?.controlPlane === true;
  return offered && status?.hosts?.find((host) => host.endpoint === endpoint)?.allocatable !== undefined;
}
