/**
 * What a user asks for: the microVM spec, in our own terms (units in names, no wire quirks).
 *
 * It is plain, immutable data, already completed with defaults (`defaults.ts`) and checked (`validation.ts`).
 * The wire form and its conversions live in the `api` room.
 */
export interface MicroVmSpec {
  readonly namespace: string;
  /** The user's name for the microVM; unique within its namespace on a host. */
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Hypervisor driver, for example `qemu`; empty string = the host's default. */
  readonly provider: string;
  readonly vcpu: number;
  readonly memoryMiB: number;
  readonly kernel: Kernel;
  readonly initrd?: Initrd;
  readonly rootVolume?: Volume;
  readonly additionalVolumes: readonly Volume[];
  readonly interfaces: readonly NetworkInterface[];
  /** Cloud-init documents by name (`user-data`, `meta-data`, …), each base64 text. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Gives the guest a vsock (where the host has it) and its agent channel a path in the status. */
  readonly allowGuestAgent: boolean;
}

export interface Kernel {
  readonly image: string;
  /** Path of the kernel inside its image. */
  readonly filename: string;
  /** Kernel arguments; an empty value is a bare flag. Overrides the driver's defaults key by key. */
  readonly cmdline: Readonly<Record<string, string>>;
  readonly addNetworkConfig: boolean;
}

export interface Initrd {
  readonly image: string;
  readonly filename: string;
}

export interface Volume {
  readonly id: string;
  readonly readOnly: boolean;
  /** Where the guest is asked to mount it (by generated vendor-data); absent = nowhere. */
  readonly mountPoint?: string;
  readonly source: VolumeSource;
  readonly partitionId?: string;
  /** Size of the block device in MiB; absent = as large as the image needs, with the store's default head-room. */
  readonly sizeMiB?: number;
}

export type VolumeSource =
  | { readonly kind: "image"; readonly image: string }
  | { readonly kind: "virtiofs"; readonly path: string };

export type InterfaceType = "tap" | "macvtap";

export interface NetworkInterface {
  /** Name of the device, unique within the microVM; what the guest may match on. */
  readonly deviceId: string;
  readonly type: InterfaceType;
  /** Guest's hardware address, lower case with colons; absent = derived by the host, unique and stable. */
  readonly guestMac?: string;
  readonly address?: StaticAddress;
  /** Bridge for this tap instead of the host's default. */
  readonly bridgeName?: string;
}

export interface StaticAddress {
  /** CIDR, for example `192.168.100.7/24`. */
  readonly address: string;
  /** CIDR on the wire (upstream's rule); the mask is ignored. */
  readonly gateway?: string;
  readonly nameservers: readonly string[];
}

/** Every volume of the spec, root first, in the order in which the guest sees them. */
export function volumesOf(spec: MicroVmSpec): readonly Volume[] {
  return spec.rootVolume === undefined ? spec.additionalVolumes : [spec.rootVolume, ...spec.additionalVolumes];
}
