/** Facts of this host, for clients and schedulers: what it is, what it can do, what is promised and what is left. */
import type { Capabilities } from "@liquidmetal/microvm";
import { allocatable, allocated } from "./admission.ts";
import type { HostFacts } from "./application.ts";
import type { EngineContext } from "./context.ts";

export async function hostFacts(context: EngineContext, startedAtMs: number): Promise<HostFacts> {
  const { deps, records } = context;
  const { host, config, network } = deps;
  const [hypervisors, features, disk, containerd] = await Promise.all([
    describeHypervisors(context),
    network.features(),
    deps.blockStores[0]?.usage(),
    deps.images.ping(),
  ]);
  const usage = disk?.ok === true ? disk.value : { freeBytes: 0, totalBytes: 0, promisedBytes: 0 };
  const free = allocatable(host, config);
  const held = allocated(records.values());
  return {
    name: host.name,
    version: host.version,
    hostId: host.hostId,
    operatingSystem: host.operatingSystem,
    kernelVersion: host.kernelVersion,
    platform: host.platform,
    capacity: { ...host.capacity, diskBytes: usage.totalBytes },
    allocatable: { ...free, diskBytes: Math.max(0, usage.freeBytes - usage.promisedBytes) },
    allocated: { ...held, diskBytes: promisedDisk(context) },
    hypervisors,
    defaultProvider: config.defaultProvider,
    features: { ...host.features, ...summary(hypervisors), containerd: containerd.ok },
    labels: host.labels,
    network: features,
    ...(network.networkNamespace === undefined ? {} : { networkNamespace: network.networkNamespace }),
    microVms: records.size,
    startedAtMs,
    ...(containerd.ok ? { containerdVersion: containerd.value.version } : {}),
  };
}

async function describeHypervisors(context: EngineContext): Promise<HostFacts["hypervisors"]> {
  const { hypervisors } = context;
  return await Promise.all(
    hypervisors.names.map(async (name) => {
      const result = await hypervisors.capabilities(name);
      return result.ok ? { name, capabilities: result.value } : { name, unavailableReason: result.error.message };
    }),
  );
}

function promisedDisk(context: EngineContext): number {
  let bytes = 0;
  for (const record of context.records.values()) {
    for (const volume of Object.values(record.made.volumes)) bytes += volume.sizeBytes;
  }
  return bytes;
}

/** What at least one hypervisor here can do. */
function summary(hypervisors: HostFacts["hypervisors"]): Readonly<Record<string, boolean>> {
  const any = (can: (capabilities: Capabilities) => boolean): boolean =>
    hypervisors.some(({ capabilities }) => capabilities !== undefined && can(capabilities));
  return {
    kvm: any((one) => one.accelerator === "kvm"),
    vsock: any((one) => one.vsock),
    virtiofs: any((one) => one.virtiofs),
    balloon: any((one) => one.balloon),
    pause: any((one) => one.pause),
    snapshot: any((one) => one.snapshot),
  };
}
