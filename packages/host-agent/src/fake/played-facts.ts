/** What a played host says of itself. Everything has a default; a test names what it cares about. */
import type { Capabilities } from "@liquidmetal/microvm";
import type { HostFacts, ResourceAmounts } from "../engine/application.ts";
import { defaultEngineConfig, type EngineConfig, type HostDescription } from "../engine/dependencies.ts";

export interface PlayedFacts {
  readonly name?: string;
  readonly version?: string;
  readonly hostId?: string;
  readonly platform?: string;
  /** What it may promise. Default 64 vCPU, 256 GiB of memory, 1 TiB of disk. */
  readonly capacity?: Partial<ResourceAmounts>;
  readonly labels?: Readonly<Record<string, string>>;
  readonly features?: Readonly<Record<string, boolean>>;
  /** Interfaces that its hypervisor, `fake`, can make. Default tap and macvtap. */
  readonly interfaceTypes?: readonly ("tap" | "macvtap")[];
  /** Whether it reads metadata as the agent does, and refuses what the agent refuses. Default true; a benchmark of others has no use for that work. */
  readonly checksMetadata?: boolean;
}

const startedAtMs = 1_790_000_000_000;

export function capacityOf({ capacity = {} }: PlayedFacts): ResourceAmounts {
  return { vcpu: 64, memoryMiB: 262_144, diskBytes: 1_099_511_627_776, ...capacity };
}

export function capabilitiesOf({ interfaceTypes = ["tap", "macvtap"] }: PlayedFacts): Capabilities {
  return {
    name: "fake",
    version: "1.0.0",
    accelerator: "none",
    bootSources: ["elf", "bzimage", "initrd"],
    interfaceTypes,
    volumeFormats: ["raw"],
    metadata: ["nocloud"],
    vsock: true,
    virtiofs: false,
    balloon: false,
    pause: true,
    snapshot: false,
    reset: true,
    vcpuMax: 64,
  };
}

/** Admission without over-commitment or reserve: what `capacity` says is what there is. */
export const playedEngineConfig: EngineConfig = {
  ...defaultEngineConfig,
  stateDir: "/fake/state",
  runDir: "/fake/run",
  defaultProvider: "fake",
  overcommit: { vcpu: 1, memory: 1 },
  reservedMemoryMiB: 0,
};

export function descriptionOf(facts: PlayedFacts): HostDescription {
  const { vcpu, memoryMiB } = capacityOf(facts);
  return {
    name: facts.name ?? "fake",
    version: facts.version ?? "0.1.0",
    hostId: facts.hostId ?? `fake-${facts.name ?? "host"}`,
    bootId: "fake",
    operatingSystem: "none",
    kernelVersion: "0",
    platform: facts.platform ?? "linux/amd64",
    capacity: { vcpu, memoryMiB },
    features: { tap: true, macvtap: true, ...facts.features },
    labels: facts.labels ?? {},
  };
}

export function hostFactsOf(facts: PlayedFacts, held: ResourceAmounts, microVms: number): HostFacts {
  const { bootId: _process, ...description } = descriptionOf(facts);
  const capacity = capacityOf(facts);
  const capabilities = capabilitiesOf(facts);
  return {
    ...description,
    capacity,
    allocatable: { ...capacity, diskBytes: Math.max(0, capacity.diskBytes - held.diskBytes) },
    allocated: held,
    hypervisors: [{ name: "fake", capabilities }],
    defaultProvider: "fake",
    network: { tap: true, macvtap: true, bridge: true, nftables: false, dnsmasq: false },
    microVms,
    startedAtMs,
  };
}
