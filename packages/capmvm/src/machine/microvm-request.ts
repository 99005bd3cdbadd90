/**
 * The create request of a machine. Pure and repeatable: the same machine on the same host asks for exactly the same microVM, however often, so that
 * hosts which compare requests see one.
 *
 * Source: upstream's capmvm (names, labels, metadata); its mistakes are left out: labels of the spec are copied, never changed.
 */
import { clusterNameVmLabel, type MicrovmMachine, type MicrovmMachineSpec } from "../api/index.ts";
import type { MicroVmRequest, MicroVmVolume } from "../hosts/host.ts";
import { keysOf, metaData, vendorData } from "./cloud-init.ts";
import type { Journal } from "./journal.ts";
import { macAddressOf } from "./mac-address.ts";

/** Labels of a microVM by which the plane that made it finds what nobody owns. */
export const vmLabels = {
  identity: "capmvm.liquidmetal.dev/identity",
  /** Uid of the namespace kube-system of the management cluster. */
  managementPlane: "capmvm.liquidmetal.dev/management-plane",
  /** Uid of the MicrovmCluster. */
  cluster: "capmvm.liquidmetal.dev/cluster",
} as const;

export interface RequestWorld {
  readonly clusterName: string;
  readonly clusterUid: string;
  readonly clusterSshPublicKeys: MicrovmMachineSpec["sshPublicKeys"];
  readonly managementPlane: string;
  readonly userData: string;
}

export function microVmRequest(machine: MicrovmMachine, journal: Journal, world: RequestWorld): MicroVmRequest {
  const { spec } = machine;
  const { name = "", namespace = "" } = machine.metadata ?? {};
  const { endpoint, identity } = journal;
  return {
    namespace,
    name,
    identity,
    labels: {
      ...spec.labels,
      [clusterNameVmLabel]: world.clusterName,
      [vmLabels.identity]: identity,
      [vmLabels.managementPlane]: world.managementPlane,
      [vmLabels.cluster]: world.clusterUid,
    },
    ...(spec.provider === undefined || spec.provider === "" ? {} : { provider: spec.provider }),
    vcpu: spec.vcpu,
    memoryMiB: spec.memoryMiB,
    kernel: {
      image: spec.kernel.image,
      filename: spec.kernel.filename || "boot/vmlinux",
      cmdline: { ...spec.kernel.cmdline },
    },
    ...(spec.initrd === undefined ? {} : { initrd: spec.initrd }),
    rootVolume: volumeOf(spec.rootVolume),
    additionalVolumes: (spec.additionalVolumes ?? []).map(volumeOf),
    interfaces: spec.networkInterfaces.map(({ guestDeviceName, guestMac, type, ...address }) => ({
      ...address,
      device: guestDeviceName,
      type,
      mac: guestMac || macAddressOf(identity, guestDeviceName),
    })),
    metadata: {
      "user-data": world.userData,
      "vendor-data": vendorData({
        hostname: name,
        sshPublicKeys: keysOf(spec.sshPublicKeys, world.clusterSshPublicKeys),
      }),
      "meta-data": metaData({ hostname: name, endpoint, identity }),
    },
  };
}

type Volume = Omit<MicroVmVolume, "readOnly"> & { readonly readOnly?: boolean };

function volumeOf({ readOnly = false, ...volume }: Volume): MicroVmVolume {
  return { ...volume, readOnly };
}
