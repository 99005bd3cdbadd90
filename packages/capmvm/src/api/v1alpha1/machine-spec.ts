/** Upstream's spec of a microVM, field by field: bounds, defaults and names are upstream's, none is added. */
import { z } from "zod";

export interface SshPublicKeysV1alpha1 {
  readonly user: string;
  readonly authorizedKeys: readonly string[];
}

export interface VolumeV1alpha1 {
  readonly id: string;
  readonly image?: string;
  readonly readOnly?: boolean;
  /** Ignored by upstream on the root volume. */
  readonly mountPoint?: string;
  /** Ignored by upstream on the root volume. */
  readonly virtiofsPath?: string;
}

export interface NetworkInterfaceV1alpha1 {
  readonly guestDeviceName: string;
  readonly guestMac?: string;
  readonly type: "macvtap" | "tap";
  readonly address?: string;
}

/** A file in an OCI image. */
export interface ImageFileV1alpha1 {
  readonly image: string;
  readonly filename?: string;
}

export interface MicrovmMachineSpecV1alpha1 {
  readonly provider?: string;
  readonly vcpu: number;
  readonly memoryMb: number;
  readonly rootVolume: VolumeV1alpha1;
  readonly volumes?: readonly VolumeV1alpha1[];
  readonly kernel: ImageFileV1alpha1;
  readonly kernelCmdline?: Readonly<Record<string, string>>;
  readonly initrd?: ImageFileV1alpha1;
  readonly networkInterfaces: readonly NetworkInterfaceV1alpha1[];
  readonly labels?: Readonly<Record<string, string>>;
  readonly sshPublicKeys?: readonly SshPublicKeysV1alpha1[];
  readonly providerID?: string;
}

export const sshPublicKeysV1alpha1: z.ZodType<readonly SshPublicKeysV1alpha1[]> = z.array(
  z.object({
    user: z.string().describe("User of the guest."),
    authorizedKeys: z.array(z.string()).describe("Keys in the form of authorized_keys."),
  }),
);

const volume = z.object({
  id: z.string().describe("Name of the volume, unique in the machine."),
  image: z.string().describe("Reference of the OCI image that the volume starts from.").exactOptional(),
  readOnly: z.boolean().describe("Whether the guest may only read it.").default(false),
  mountPoint: z.string().describe("Where the guest mounts it; additional volumes only.").exactOptional(),
  virtiofsPath: z.string().describe("Directory of the host that is shared by virtiofs.").exactOptional(),
});

export const machineSpecSchemaV1alpha1: z.ZodType<MicrovmMachineSpecV1alpha1> = z.object({
  provider: z.string().describe("Virtual machine monitor, as the host names it.").exactOptional(),
  vcpu: z.int().min(1).describe("Virtual processors."),
  memoryMb: z.int().min(1_024).describe("Memory in MiB."),
  rootVolume: volume.describe("The volume that the guest boots from."),
  volumes: z.array(volume).describe("Further volumes.").exactOptional(),
  kernel: z
    .object({
      image: z.string().describe("Reference of the OCI image that holds the kernel."),
      filename: z.string().describe("Path of the kernel inside the image.").exactOptional(),
    })
    .describe("The kernel."),
  kernelCmdline: z
    .record(z.string(), z.string())
    .describe("Arguments of the kernel, added to those that the host recommends.")
    .exactOptional(),
  initrd: z
    .object({
      image: z.string().describe("Reference of the OCI image that holds the initial ramdisk."),
      filename: z.string().describe("Path of the ramdisk inside the image.").exactOptional(),
    })
    .describe("The initial ramdisk.")
    .exactOptional(),
  networkInterfaces: z
    .array(
      z.object({
        guestDeviceName: z.string().describe("Name of the device in the guest, as in eth1."),
        guestMac: z.string().describe("MAC address; a random one if absent.").exactOptional(),
        type: z.enum(["macvtap", "tap"]).describe("Kind of the device on the host."),
        address: z.string().describe("Address with prefix length; DHCP if absent.").exactOptional(),
      }),
    )
    .min(1)
    .describe("Network interfaces of the guest besides the one for metadata."),
  labels: z.record(z.string(), z.string()).describe("Labels of the microVM on its host.").exactOptional(),
  sshPublicKeys: sshPublicKeysV1alpha1
    .describe("Keys that may log in; replace the cluster's when not empty.")
    .exactOptional(),
  providerID: z.string().describe("microvm://<host:port>/<uid>; written by the controller.").exactOptional(),
});
