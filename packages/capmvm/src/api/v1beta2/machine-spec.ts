/**
 * What a microVM shall be: the spec of MicrovmMachine, which templates and pools embed.
 *
 * Bounds of flintlock itself (64 vCPU, 32 GiB) are not in the schema: hosts may allow more; the webhook warns.
 */
import { atomicList, listMap, rules } from "@liquidmetal/kubernetes";
import { z } from "zod";
import { notEmpty, stringMap, text, whole } from "./fields.ts";

export interface SshPublicKeys {
  readonly user: string;
  readonly authorizedKeys: readonly string[];
}

export interface MicrovmVolume {
  readonly id: string;
  readonly image?: string;
  /** Default false. */
  readonly readOnly: boolean;
  readonly sizeMiB?: number;
}

export interface MicrovmAdditionalVolume extends MicrovmVolume {
  /** Where the guest mounts it. */
  readonly mountPoint?: string;
  /** Directory of the host that is shared by virtiofs. */
  readonly virtiofsPath?: string;
}

export interface MicrovmKernel {
  readonly image: string;
  /** Path inside the image. Default boot/vmlinux. */
  readonly filename: string;
  readonly cmdline?: Readonly<Record<string, string>>;
}

export interface MicrovmInitrd {
  readonly image: string;
  readonly filename?: string;
}

export interface MicrovmNetworkInterface {
  readonly guestDeviceName: string;
  readonly type: "macvtap" | "tap";
  /** Given by the webhook where absent. */
  readonly guestMac?: string;
  /** CIDR. Absent = DHCP. */
  readonly address?: string;
  readonly gateway?: string;
  readonly nameservers?: readonly string[];
  readonly bridge?: string;
}

export interface MicrovmMachineSpec {
  /** Virtual machine monitor, as the host names it. Absent = the host's default. */
  readonly provider?: string;
  readonly vcpu: number;
  readonly memoryMiB: number;
  readonly rootVolume: MicrovmVolume;
  readonly additionalVolumes?: readonly MicrovmAdditionalVolume[];
  readonly kernel: MicrovmKernel;
  readonly initrd?: MicrovmInitrd;
  readonly networkInterfaces: readonly MicrovmNetworkInterface[];
  /** Labels of the microVM on its host. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Replaces the cluster's list when not empty. */
  readonly sshPublicKeys?: readonly SshPublicKeys[];
  /** Only hosts that report these labels. */
  readonly hostSelector?: { readonly matchLabels?: Readonly<Record<string, string>> };
  /** `microvm://<host:port>/<uid>`; written by the controller. */
  readonly providerID?: string;
}

export const sshPublicKeysList: z.ZodType<readonly SshPublicKeys[]> = z
  .array(
    z.object({
      user: text(64).describe("User of the guest."),
      authorizedKeys: z.array(text(16_384)).max(64).meta(atomicList()).describe("Keys in the form of authorized_keys."),
    }),
  )
  .max(32)
  .meta(listMap("user"));

const volume = {
  id: text(64).describe("Name of the volume, unique in the machine."),
  image: text(1_024).describe("Reference of the OCI image that the volume starts from.").exactOptional(),
  readOnly: z.boolean().describe("Whether the guest may only read it.").default(false),
  sizeMiB: whole(1, 67_108_864)
    .describe("Size in MiB. Absent = as large as the image needs, or the host's default.")
    .exactOptional(),
};

const additionalVolumes = z
  .array(
    z.object({
      ...volume,
      mountPoint: text(4_096).describe("Where the guest mounts it.").exactOptional(),
      virtiofsPath: text(4_096).describe("Directory of the host that is shared by virtiofs.").exactOptional(),
    }),
  )
  .max(32)
  .meta({
    ...listMap("id"),
    ...rules({
      rule: "self.filter(volume, has(volume.virtiofsPath)).size() <= 1",
      message: "at most one volume can be shared by virtiofs",
    }),
  })
  .describe("Further volumes.");

const networkInterfaces = z
  .array(
    z
      .object({
        guestDeviceName: text(64).describe("Name of the device in the guest, as in eth1."),
        type: z.enum(["macvtap", "tap"]).describe("Kind of the device on the host."),
        guestMac: text(17).describe("MAC address. Absent = a random one, which is kept.").exactOptional(),
        address: text(64).describe("Address with prefix length, as in 10.0.0.5/24. Absent = DHCP.").exactOptional(),
        gateway: text(64).describe("Default gateway; with an address only.").exactOptional(),
        nameservers: z
          .array(text(64))
          .max(8)
          .meta(atomicList())
          .describe("Name servers; with an address only.")
          .exactOptional(),
        bridge: text(15).describe("Bridge of the host. Absent = the host's default.").exactOptional(),
      })
      .meta(
        rules({
          rule: "has(self.address) || !(has(self.gateway) || has(self.nameservers))",
          message: "gateway and nameservers need an address: without one the guest asks DHCP for all three",
        }),
      ),
  )
  .min(1)
  .max(16)
  .meta(listMap("guestDeviceName"))
  .describe("Network interfaces of the guest besides the one for metadata.");

export const machineSpecSchema: z.ZodType<MicrovmMachineSpec> = z.object({
  provider: text(64)
    .describe("Virtual machine monitor, as the host names it. Absent = the host's default.")
    .exactOptional(),
  vcpu: whole(1, 1_024).describe("Virtual processors."),
  memoryMiB: whole(128, 16_777_216).describe("Memory in MiB."),
  rootVolume: z.object(volume).describe("The volume that the guest boots from."),
  additionalVolumes: additionalVolumes.exactOptional(),
  kernel: z
    .object({
      image: text(1_024).describe("Reference of the OCI image that holds the kernel."),
      filename: text(4_096).describe("Path of the kernel inside the image.").default("boot/vmlinux"),
      cmdline: stringMap.describe("Arguments added to those that the host recommends.").exactOptional(),
    })
    .describe("The kernel."),
  initrd: z
    .object({
      image: text(1_024).describe("Reference of the OCI image that holds the initial ramdisk."),
      filename: text(4_096).describe("Path of the ramdisk inside the image.").exactOptional(),
    })
    .describe("The initial ramdisk.")
    .exactOptional(),
  networkInterfaces,
  labels: stringMap.describe("Labels of the microVM on its host.").exactOptional(),
  sshPublicKeys: sshPublicKeysList
    .describe("Keys that may log in; replace the cluster's when not empty.")
    .exactOptional(),
  hostSelector: z
    .object({ matchLabels: stringMap.describe("Labels with these values.").exactOptional() })
    .meta(notEmpty())
    .describe("Only hosts that report these labels.")
    .exactOptional(),
  providerID: text(512)
    .regex(/^microvm:\/\/[^/\s]+\/[^/\s]+$/)
    .describe("microvm://<host:port>/<uid>; written by the controller, equal to the Node's.")
    .exactOptional(),
});
