/**
 * From the wire's spec to a draft of ours: upstream's conversions, without its crashes.
 *
 * - Image references are trimmed and freed of control characters, as upstream does; each change can be reported.
 * - A present but empty optional value counts as absent (the Cluster API provider always sends provider, guest_mac and filename).
 * - An interface type that is neither 0 nor 1 becomes `unknown`, for the validation to refuse.
 * - uid and timestamps from the client are ignored; labels are kept (upstream dropped them).
 */
import type { AddressDraft, InterfaceDraft, SpecDraft, VolumeDraft } from "@liquidmetal/microvm";
import {
  type MicroVMSpec,
  type NetworkInterface,
  NetworkInterface_IfaceType,
  type StaticAddress,
  type Volume,
} from "./gen/types/microvm_pb.js";
import { normaliseMac } from "./mac-address.ts";

/** An image reference that was changed before use. */
export interface SanitisedImage {
  readonly field: string;
  readonly original: string;
  readonly sanitised: string;
}

export function specFromWire(wire: MicroVMSpec, onSanitised?: (image: SanitisedImage) => void): SpecDraft {
  const image = (field: string, text: string): string => {
    const sanitised = sanitiseImage(text);
    if (sanitised !== text) onSanitised?.({ field, original: text, sanitised });
    return sanitised;
  };
  const volume = (field: string, from: Volume): VolumeDraft => ({
    id: from.id,
    readOnly: from.isReadOnly,
    mountPoint: from.mountPoint,
    image: from.source?.containerSource && image(`${field}.source.container_source`, from.source.containerSource),
    virtiofsPath: from.source?.virtiofsSource,
    partitionId: from.partitionId,
    sizeMiB: from.sizeInMb,
  });
  const { kernel, initrd, rootVolume } = wire;
  return {
    name: wire.id,
    namespace: wire.namespace,
    labels: wire.labels,
    provider: wire.provider,
    vcpu: wire.vcpu,
    memoryMiB: wire.memoryInMb,
    kernel: kernel && {
      image: image("kernel.image", kernel.image),
      filename: kernel.filename,
      cmdline: kernel.cmdline,
      addNetworkConfig: kernel.addNetworkConfig,
    },
    initrd: initrd && { image: image("initrd.image", initrd.image), filename: initrd.filename },
    rootVolume: rootVolume && volume("root_volume", rootVolume),
    additionalVolumes: wire.additionalVolumes.map((from, index) => volume(`additional_volumes[${index}]`, from)),
    interfaces: wire.interfaces.map(interfaceFromWire),
    metadata: wire.metadata,
    allowGuestAgent: wire.allowGuestAgent,
  };
}

/** Trims white space and drops control characters: what a YAML block or a shell adds to a reference by mistake. */
export function sanitiseImage(text: string): string {
  return text.trim().replace(/\p{Cc}/gu, "");
}

function interfaceFromWire(wire: NetworkInterface): InterfaceDraft {
  return {
    deviceId: wire.deviceId,
    type: interfaceType(wire.type),
    guestMac: wire.guestMac && normaliseMac(wire.guestMac),
    bridgeName: wire.overrides?.bridgeName,
    address: wire.address && addressFromWire(wire.address),
  };
}

function interfaceType(type: number): "tap" | "macvtap" | "unknown" {
  if (type === NetworkInterface_IfaceType.TAP) return "tap";
  return type === NetworkInterface_IfaceType.MACVTAP ? "macvtap" : "unknown";
}

/** An address message with nothing in it means the same as none. */
function addressFromWire(wire: StaticAddress): AddressDraft | undefined {
  if (wire.address === "" && !wire.gateway && wire.nameservers.length === 0) return undefined;
  return { address: wire.address, gateway: wire.gateway, nameservers: wire.nameservers };
}
