/** MicrovmMachine and its template from one version to the other, as far as both can say the same. */
import type {
  MicrovmMachineSpecV1alpha1,
  MicrovmMachineStatusV1alpha1,
  MicrovmMachineTemplateV1alpha1,
  MicrovmMachineV1alpha1,
  VolumeV1alpha1,
} from "../v1alpha1/index.ts";
import type {
  MicrovmAdditionalVolume,
  MicrovmMachine,
  MicrovmMachineSpec,
  MicrovmMachineStatus,
  MicrovmMachineTemplate,
  MicrovmNetworkInterface,
  VmState,
} from "../v1beta2/index.ts";
import { conditionsToV1alpha1, conditionsToV1beta2 } from "./conditions.ts";
import { given, present } from "./present.ts";
import { keysToV1beta2 } from "./ssh-public-keys.ts";

const vmStates: ReadonlySet<string> = new Set<VmState>([
  "pending",
  "running",
  "failed",
  "deleting",
  "deleted",
  "stopped",
  "missing",
  "unknown",
]);

/** Path of the kernel in the images of the project, where none is given. */
const kernelFilename = "boot/vmlinux";

export function machineToV1beta2({ spec, status }: Pick<MicrovmMachineV1alpha1, "spec" | "status">): object {
  return present<Pick<Partial<MicrovmMachine>, "spec" | "status">>({
    spec: spec && specToV1beta2(spec),
    status: status && statusToV1beta2(status),
  });
}

export function machineToV1alpha1({ spec, status }: Partial<Pick<MicrovmMachine, "spec" | "status">>): object {
  return present<Pick<MicrovmMachineV1alpha1, "spec" | "status">>({
    spec: spec && specToV1alpha1(spec),
    status: status && statusToV1alpha1(status),
  });
}

export function machineTemplateToV1beta2({ spec }: Pick<MicrovmMachineTemplateV1alpha1, "spec">): object {
  if (spec === undefined) return {};
  const { metadata } = spec.template;
  const named = metadata !== undefined && Object.keys(metadata).length > 0 ? metadata : undefined;
  return {
    spec: {
      template: present<MicrovmMachineTemplate["spec"]["template"]>({
        metadata: named,
        spec: specToV1beta2(spec.template.spec),
      }),
    },
  };
}

export function machineTemplateToV1alpha1({ spec }: Partial<Pick<MicrovmMachineTemplate, "spec">>): object {
  if (spec === undefined) return {};
  const { metadata, spec: machine } = spec.template;
  return { spec: { template: present({ metadata, spec: specToV1alpha1(machine) }) } };
}

function specToV1beta2(spec: MicrovmMachineSpecV1alpha1): MicrovmMachineSpec {
  return present<MicrovmMachineSpec>({
    provider: given(spec.provider),
    vcpu: spec.vcpu,
    memoryMiB: spec.memoryMb,
    rootVolume: present({
      id: spec.rootVolume.id,
      image: given(spec.rootVolume.image),
      readOnly: spec.rootVolume.readOnly ?? false,
    }),
    additionalVolumes: spec.volumes?.map(volumeToV1beta2),
    kernel: present({
      image: spec.kernel.image,
      filename: given(spec.kernel.filename) ?? kernelFilename,
      cmdline: spec.kernelCmdline,
    }),
    initrd: spec.initrd && present({ image: spec.initrd.image, filename: given(spec.initrd.filename) }),
    networkInterfaces: spec.networkInterfaces.map((one) =>
      present<MicrovmNetworkInterface>({
        guestDeviceName: one.guestDeviceName,
        type: one.type,
        guestMac: given(one.guestMac),
        address: given(one.address),
      }),
    ),
    labels: spec.labels,
    sshPublicKeys: keysToV1beta2(spec.sshPublicKeys),
    providerID: given(spec.providerID),
  });
}

function volumeToV1beta2(volume: VolumeV1alpha1): MicrovmAdditionalVolume {
  return present<MicrovmAdditionalVolume>({
    id: volume.id,
    image: given(volume.image),
    readOnly: volume.readOnly ?? false,
    mountPoint: given(volume.mountPoint),
    virtiofsPath: given(volume.virtiofsPath),
  });
}

function specToV1alpha1(spec: MicrovmMachineSpec): MicrovmMachineSpecV1alpha1 {
  const { id, image, readOnly } = spec.rootVolume;
  return present<MicrovmMachineSpecV1alpha1>({
    provider: spec.provider,
    vcpu: spec.vcpu,
    memoryMb: spec.memoryMiB,
    rootVolume: present({ id, image, readOnly }),
    volumes: spec.additionalVolumes?.map(({ sizeMiB: _size, ...volume }) => volume),
    kernel: { image: spec.kernel.image, filename: spec.kernel.filename },
    kernelCmdline: spec.kernel.cmdline,
    initrd: spec.initrd,
    networkInterfaces: spec.networkInterfaces.map(({ guestDeviceName, guestMac, type, address }) =>
      present({ guestDeviceName, guestMac, type, address }),
    ),
    labels: spec.labels,
    sshPublicKeys: spec.sshPublicKeys,
    providerID: spec.providerID,
  });
}

function statusToV1beta2(status: MicrovmMachineStatusV1alpha1): MicrovmMachineStatus {
  const { vmState } = status;
  return present<MicrovmMachineStatus>({
    initialization: status.ready === true ? { provisioned: true } : undefined,
    addresses: status.addresses,
    vmState: given(vmState) === undefined ? undefined : vmStates.has(vmState ?? "") ? (vmState as VmState) : "unknown",
    conditions: status.conditions && conditionsToV1beta2(status.conditions),
  });
}

function statusToV1alpha1(status: MicrovmMachineStatus): MicrovmMachineStatusV1alpha1 {
  return present<MicrovmMachineStatusV1alpha1>({
    ready: status.initialization?.provisioned === true,
    // Upstream knows no word for a microVM that was there and ended.
    vmState: status.vmState === "stopped" || status.vmState === "missing" ? "failed" : status.vmState,
    addresses: status.addresses,
    conditions: status.conditions && conditionsToV1alpha1(status.conditions),
  });
}
