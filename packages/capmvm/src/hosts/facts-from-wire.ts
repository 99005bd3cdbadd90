/** From GetHost's answer to the facts that placement works with. */
import type { GetHostResponse, Resources } from "@liquidmetal/api";
import type { HostFacts, HostResources } from "./host.ts";

export function factsFromWire(wire: GetHostResponse): HostFacts {
  return {
    hostId: wire.hostId,
    version: wire.version,
    platform: wire.platform,
    capacity: resources(wire.capacity),
    allocatable: resources(wire.allocatable),
    allocated: resources(wire.allocated),
    labels: wire.labels,
    features: wire.features,
    providers: wire.hypervisors.map(({ name, capabilities, unavailableReason }) => ({
      name,
      capabilities,
      ...(unavailableReason === "" ? {} : { unavailableReason }),
    })),
    defaultProvider: wire.defaultProvider,
  };
}

function resources(wire: Resources | undefined): HostResources {
  return {
    vcpu: wire?.vcpu ?? 0,
    memoryBytes: Number(wire?.memoryBytes ?? 0n),
    diskBytes: Number(wire?.diskBytes ?? 0n),
  };
}
