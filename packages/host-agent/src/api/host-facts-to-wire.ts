/** Facts of the host, events and images in their wire form. */
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  type Event,
  EventSchema,
  type GetHostResponse,
  GetHostResponseSchema,
  type HypervisorInfo,
  HypervisorInfoSchema,
  type Image,
  ImageSchema,
  type Resources,
  ResourcesSchema,
} from "@liquidmetal/api";
import type { Capabilities, EventRecord, ImageInfo } from "@liquidmetal/microvm";
import type { HostFacts, ResourceAmounts } from "../engine/application.ts";

export function hostToWire(facts: HostFacts, lastPosition: number): GetHostResponse {
  return create(GetHostResponseSchema, {
    name: facts.name,
    version: facts.version,
    hostId: facts.hostId,
    operatingSystem: facts.operatingSystem,
    kernelVersion: facts.kernelVersion,
    platform: facts.platform,
    capacity: resourcesToWire(facts.capacity),
    allocatable: resourcesToWire(facts.allocatable),
    allocated: resourcesToWire(facts.allocated),
    hypervisors: facts.hypervisors.map(hypervisorToWire),
    defaultProvider: facts.defaultProvider,
    features: { ...facts.features },
    labels: { ...facts.labels },
    subnet: facts.network.subnet ?? "",
    networkNamespace: facts.networkNamespace ?? "",
    microvms: facts.microVms,
    startedAt: timestampFromMs(facts.startedAtMs),
    containerdVersion: facts.containerdVersion ?? "",
    lastPosition: BigInt(lastPosition),
  });
}

export function eventToWire(event: EventRecord): Event {
  const { position, atMs, ...rest } = event;
  return create(EventSchema, { ...rest, position: BigInt(position), at: timestampFromMs(atMs) });
}

export function imageToWire(image: ImageInfo): Image {
  return create(ImageSchema, {
    reference: image.reference,
    digest: image.digest,
    mediaType: image.mediaType,
    platforms: [...image.platforms],
    sizeBytes: BigInt(image.sizeBytes),
    createdAt: timestampFromMs(image.createdAtMs),
    labels: { ...image.labels },
  });
}

function resourcesToWire(amounts: ResourceAmounts): Resources {
  return create(ResourcesSchema, {
    vcpu: Math.floor(amounts.vcpu),
    memoryBytes: BigInt(Math.floor(amounts.memoryMiB * 1_048_576)),
    diskBytes: BigInt(Math.floor(amounts.diskBytes)),
  });
}

function hypervisorToWire(hypervisor: HostFacts["hypervisors"][number]): HypervisorInfo {
  const { name, capabilities, unavailableReason = "" } = hypervisor;
  return create(HypervisorInfoSchema, {
    name,
    version: capabilities?.version ?? "",
    accelerator: capabilities?.accelerator ?? "none",
    capabilities: capabilities === undefined ? [] : capabilityWords(capabilities),
    vcpuMax: capabilities?.vcpuMax ?? 0,
    unavailableReason,
  });
}

/** One word for each thing it can do, for example `vsock`, `interface:tap`, `boot:elf`. */
function capabilityWords(capabilities: Capabilities): string[] {
  const switches = ["vsock", "virtiofs", "balloon", "pause", "snapshot", "reset"] as const;
  return [
    ...switches.filter((word) => capabilities[word]),
    ...capabilities.bootSources.map((source) => `boot:${source}`),
    ...capabilities.interfaceTypes.map((type) => `interface:${type}`),
    ...capabilities.volumeFormats.map((format) => `volume:${format}`),
    ...capabilities.metadata.map((form) => `metadata:${form}`),
  ];
}
