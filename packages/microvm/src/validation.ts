/**
 * From a draft to a spec: fills in the defaults, checks every rule, and answers with all violations at once.
 *
 * Pure. What needs the host (capacity, providers, bridges, image contents, a hypervisor's own limits) is checked by the engine.
 * Field names in the error are the wire's, since that is what people wrote.
 */
import { err, ok, PlatformError, type Result } from "@liquidmetal/foundation";
import { type InterfaceDraft, isEmptyVolume, type SpecDraft, specDefaults, type VolumeDraft } from "./defaults.ts";
import type { Initrd, MicroVmSpec, NetworkInterface, Volume } from "./spec.ts";
import { checkInterfaces } from "./validation-addresses.ts";
import { checkImage } from "./validation-images.ts";
import { checkCmdline, checkMetadata } from "./validation-metadata.ts";
import { checkImagePath, checkLabels, checkName } from "./validation-names.ts";
import { Violations } from "./validation-violations.ts";
import { checkVolumes } from "./validation-volumes.ts";

export interface SpecLimits {
  /** All metadata documents together, decoded, in bytes. Default 1 MiB. */
  readonly metadataBytes?: number;
}

export const specBounds = {
  vcpuMin: 1,
  /** Upstream's bound on the wire; a hypervisor's own may be lower (`Capabilities.vcpuMax`). */
  vcpuMax: 64,
  /** Upstream demanded 1,024; small microVMs are a goal here. */
  memoryMinMiB: 64,
  /** 16 TiB, a bound against nonsense; upstream's 32,768 gave way to the host's own capacity (admission). */
  memoryMaxMiB: 16_777_216,
  metadataBytes: 1_048_576,
} as const;

/** The completed, valid spec, or SPEC_INVALID whose message has one `field: rule` line for each violation. */
export function validateSpec(draft: SpecDraft, limits: SpecLimits = {}): Result<MicroVmSpec, PlatformError> {
  const violations = new Violations();
  checkName(violations, "id", draft.name ?? "");
  checkName(violations, "namespace", draft.namespace || specDefaults.namespace);
  if (draft.provider) checkName(violations, "provider", draft.provider);
  checkLabels(violations, "labels", draft.labels ?? {});
  checkSizes(violations, draft);
  checkKernel(violations, draft);
  checkVolumes(violations, draft);
  checkInterfaces(violations, draft.interfaces ?? []);
  checkMetadata(violations, draft.metadata ?? {}, limits.metadataBytes ?? specBounds.metadataBytes);
  if (violations.count > 0) {
    const text = `validation failures found in the microVM spec:\n${violations.text()}`;
    return err(new PlatformError("SPEC_INVALID", text, { details: { violations: violations.count } }));
  }
  return ok(complete(draft));
}

function checkSizes(violations: Violations, draft: SpecDraft): void {
  const { vcpuMin, vcpuMax, memoryMinMiB, memoryMaxMiB } = specBounds;
  const vcpu = draft.vcpu || specDefaults.vcpu;
  violations.require(
    Number.isInteger(vcpu) && vcpu >= vcpuMin && vcpu <= vcpuMax,
    "vcpu",
    `must be a whole number from ${vcpuMin} to ${vcpuMax}: ${vcpu}`,
  );
  const memoryMiB = draft.memoryMiB || specDefaults.memoryMiB;
  violations.require(
    Number.isInteger(memoryMiB) && memoryMiB >= memoryMinMiB && memoryMiB <= memoryMaxMiB,
    "memory_in_mb",
    `must be a whole number from ${memoryMinMiB} to ${memoryMaxMiB}: ${memoryMiB}`,
  );
}

function checkKernel(violations: Violations, draft: SpecDraft): void {
  const { kernel, initrd } = draft;
  if (kernel === undefined || !(kernel.image || kernel.filename)) {
    violations.add("kernel", "is required: an image with a kernel in it");
  } else {
    checkImage(violations, "kernel.image", kernel.image ?? "");
    checkImagePath(violations, "kernel.filename", kernel.filename ?? "");
  }
  checkCmdline(violations, "kernel.cmdline", kernel?.cmdline ?? {});
  if (initrd !== undefined) {
    checkImage(violations, "initrd.image", initrd.image ?? "");
    checkImagePath(violations, "initrd.filename", initrd.filename ?? "");
  }
}

/** Only ever called on a draft that broke no rule. */
function complete(draft: SpecDraft): MicroVmSpec {
  const { kernel, initrd, rootVolume } = draft;
  return {
    namespace: draft.namespace || specDefaults.namespace,
    name: draft.name ?? "",
    labels: { ...draft.labels },
    provider: draft.provider ?? "",
    vcpu: draft.vcpu || specDefaults.vcpu,
    memoryMiB: draft.memoryMiB || specDefaults.memoryMiB,
    kernel: {
      image: kernel?.image ?? "",
      filename: kernel?.filename || specDefaults.kernelFilename,
      cmdline: { ...kernel?.cmdline },
      addNetworkConfig: kernel?.addNetworkConfig ?? false,
    },
    ...(initrd === undefined ? {} : { initrd: completeInitrd(initrd) }),
    ...(rootVolume === undefined || isEmptyVolume(rootVolume)
      ? {}
      : { rootVolume: completeVolume({ ...rootVolume, id: rootVolume.id || specDefaults.rootVolumeId }) }),
    additionalVolumes: (draft.additionalVolumes ?? []).map(completeVolume),
    interfaces: (draft.interfaces ?? []).map(completeInterface),
    metadata: { ...draft.metadata },
    allowGuestAgent: draft.allowGuestAgent ?? false,
  };
}

function completeInitrd(initrd: NonNullable<SpecDraft["initrd"]>): Initrd {
  return { image: initrd.image ?? "", filename: initrd.filename || specDefaults.initrdFilename };
}

function completeVolume(volume: VolumeDraft): Volume {
  return {
    id: volume.id ?? "",
    readOnly: volume.readOnly ?? false,
    source: volume.virtiofsPath
      ? { kind: "virtiofs", path: volume.virtiofsPath }
      : { kind: "image", image: volume.image ?? "" },
    ...(volume.mountPoint ? { mountPoint: volume.mountPoint } : {}),
    ...(volume.partitionId ? { partitionId: volume.partitionId } : {}),
    ...(volume.sizeMiB ? { sizeMiB: volume.sizeMiB } : {}),
  };
}

function completeInterface(nic: InterfaceDraft): NetworkInterface {
  const { address } = nic;
  return {
    deviceId: nic.deviceId ?? "",
    type: nic.type === "tap" ? "tap" : "macvtap",
    ...(nic.guestMac ? { guestMac: nic.guestMac } : {}),
    ...(nic.bridgeName ? { bridgeName: nic.bridgeName } : {}),
    ...(address === undefined
      ? {}
      : {
          address: {
            address: address.address ?? "",
            nameservers: [...(address.nameservers ?? [])],
            ...(address.gateway ? { gateway: address.gateway } : {}),
          },
        }),
  };
}
