/**
 * A spec as a user sends it (a draft, with holes), and the values that fill the holes.
 *
 * The defaults are upstream's, so that the shortest request means the same on both. Where upstream's protocol comments promised a default that its
 * server never applied (initrd file name), the promise is kept here.
 */
import type { InterfaceType } from "./spec.ts";

export const specDefaults = {
  namespace: "default",
  vcpu: 2,
  memoryMiB: 1_024,
  kernelFilename: "boot/vmlinux",
  initrdFilename: "boot/initrd",
  rootVolumeId: "root",
} as const;

/** The spec before defaults and validation: anything may be missing, contradictory or nonsense. */
export interface SpecDraft {
  readonly namespace?: string | undefined;
  readonly name?: string | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly provider?: string | undefined;
  /** 0 counts as absent, as it cannot be told apart on the wire. */
  readonly vcpu?: number | undefined;
  /** 0 counts as absent. */
  readonly memoryMiB?: number | undefined;
  readonly kernel?: KernelDraft | undefined;
  readonly initrd?: InitrdDraft | undefined;
  readonly rootVolume?: VolumeDraft | undefined;
  readonly additionalVolumes?: readonly VolumeDraft[] | undefined;
  readonly interfaces?: readonly InterfaceDraft[] | undefined;
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  readonly allowGuestAgent?: boolean | undefined;
}

export interface KernelDraft {
  readonly image?: string | undefined;
  readonly filename?: string | undefined;
  readonly cmdline?: Readonly<Record<string, string>> | undefined;
  readonly addNetworkConfig?: boolean | undefined;
}

export interface InitrdDraft {
  readonly image?: string | undefined;
  readonly filename?: string | undefined;
}

export interface VolumeDraft {
  readonly id?: string | undefined;
  readonly readOnly?: boolean | undefined;
  readonly mountPoint?: string | undefined;
  readonly image?: string | undefined;
  readonly virtiofsPath?: string | undefined;
  readonly partitionId?: string | undefined;
  /** 0 counts as absent. */
  readonly sizeMiB?: number | undefined;
}

export interface InterfaceDraft {
  readonly deviceId?: string | undefined;
  /** `unknown`: a number on the wire that names no type. */
  readonly type?: InterfaceType | "unknown" | undefined;
  readonly guestMac?: string | undefined;
  readonly address?: AddressDraft | undefined;
  readonly bridgeName?: string | undefined;
}

export interface AddressDraft {
  readonly address?: string | undefined;
  readonly gateway?: string | undefined;
  readonly nameservers?: readonly string[] | undefined;
}

/** True when nothing in the volume is set: on the wire an empty message means the same as none. */
export function isEmptyVolume(volume: VolumeDraft | undefined): boolean {
  return (
    volume === undefined ||
    !(
      volume.id ||
      volume.readOnly ||
      volume.mountPoint ||
      volume.image ||
      volume.virtiofsPath ||
      volume.partitionId ||
      volume.sizeMiB
    )
  );
}
