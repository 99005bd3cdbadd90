/**
 * From a record to the wire's microVM: a superset of upstream's projection.
 *
 * What upstream always sets is always set (uid, kernel and initrd file names, guest_mac, partition_id, size_in_mb, source, also when empty);
 * what it never returned comes back here: labels, provider, timestamps, mount points, overrides.
 */
import { create } from "@bufbuild/protobuf";
import { type Timestamp, timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  type GuestExit,
  type MicroVmRecord,
  type NetworkInterface,
  type Volume,
  volumesOf,
  type WireState,
  wireState,
} from "@liquidmetal/microvm";
import {
  type MicroVM,
  MicroVMSchema,
  type MicroVMSpec,
  MicroVMSpecSchema,
  type MicroVMStatus,
  MicroVMStatus_MicroVMState,
  MicroVMStatusSchema,
  type Mount,
  Mount_MountType,
  MountSchema,
  NetworkInterface_IfaceType,
  NetworkInterfaceSchema,
  NetworkInterfaceStatusSchema,
  VolumeSchema,
  VolumeStatusSchema,
  type MicroVMStatus as WireStatus,
} from "./gen/types/microvm_pb.js";

const states: Readonly<Record<WireState, MicroVMStatus_MicroVMState>> = {
  PENDING: MicroVMStatus_MicroVMState.PENDING,
  CREATED: MicroVMStatus_MicroVMState.CREATED,
  FAILED: MicroVMStatus_MicroVMState.FAILED,
  DELETING: MicroVMStatus_MicroVMState.DELETING,
};

/** Records never change, so neither do their messages: one each, for as long as the record lives. */
const made: WeakMap<MicroVmRecord, MicroVM> = new WeakMap();

/** The same message for the same record; nobody may change it. */
export function recordToWire(record: MicroVmRecord): MicroVM {
  const known = made.get(record);
  if (known !== undefined) return known;
  const message = create(MicroVMSchema, {
    version: record.version,
    spec: specToWire(record),
    status: statusToWire(record),
  });
  made.set(record, message);
  return message;
}

function specToWire(record: MicroVmRecord): MicroVMSpec {
  const { spec } = record;
  const { initrd, rootVolume } = spec;
  return create(MicroVMSpecSchema, {
    id: spec.name,
    namespace: spec.namespace,
    labels: { ...spec.labels },
    vcpu: spec.vcpu,
    memoryInMb: spec.memoryMiB,
    kernel: { ...spec.kernel, cmdline: { ...spec.kernel.cmdline } },
    ...(initrd === undefined ? {} : { initrd: { image: initrd.image, filename: initrd.filename } }),
    ...(rootVolume === undefined ? {} : { rootVolume: volumeToWire(rootVolume) }),
    additionalVolumes: spec.additionalVolumes.map(volumeToWire),
    interfaces: spec.interfaces.map(interfaceToWire),
    metadata: { ...spec.metadata },
    createdAt: timestampFromMs(record.createdAtMs),
    updatedAt: timestampFromMs(record.updatedAtMs),
    ...(record.deletedAtMs === undefined ? {} : { deletedAt: timestampFromMs(record.deletedAtMs) }),
    uid: record.uid,
    provider: record.made.provider || spec.provider,
    allowGuestAgent: spec.allowGuestAgent,
  });
}

function volumeToWire(volume: Volume): ReturnType<typeof create<typeof VolumeSchema>> {
  return create(VolumeSchema, {
    id: volume.id,
    isReadOnly: volume.readOnly,
    ...(volume.mountPoint === undefined ? {} : { mountPoint: volume.mountPoint }),
    source:
      volume.source.kind === "image"
        ? { containerSource: volume.source.image }
        : { virtiofsSource: volume.source.path },
    partitionId: volume.partitionId ?? "",
    sizeInMb: volume.sizeMiB ?? 0,
  });
}

function interfaceToWire(nic: NetworkInterface): ReturnType<typeof create<typeof NetworkInterfaceSchema>> {
  const { address } = nic;
  return create(NetworkInterfaceSchema, {
    deviceId: nic.deviceId,
    type: nic.type === "tap" ? NetworkInterface_IfaceType.TAP : NetworkInterface_IfaceType.MACVTAP,
    guestMac: nic.guestMac ?? "",
    ...(nic.bridgeName === undefined ? {} : { overrides: { bridgeName: nic.bridgeName } }),
    ...(address === undefined
      ? {}
      : {
          address: {
            address: address.address,
            nameservers: [...address.nameservers],
            ...(address.gateway === undefined ? {} : { gateway: address.gateway }),
          },
        }),
  });
}

function statusToWire(record: MicroVmRecord): WireStatus {
  const { made, guest } = record;
  return create(MicroVMStatusSchema, {
    state: states[wireState(record.phase)],
    volumes: volumeStatuses(record),
    ...(made.kernel === undefined ? {} : { kernelMount: mount(made.kernel.path) }),
    ...(made.initrd === undefined ? {} : { initrdMount: mount(made.initrd.path) }),
    networkInterfaces: interfaceStatuses(record),
    retry: record.retry.attempts,
    vsockPath: made.vsockPath ?? "",
    phase: record.phase,
    reason: record.reason,
    message: record.message,
    ready: guest.ready,
    ...optionalTime("readyAt", guest.readyAtMs),
    addresses: [...guest.addresses],
    ...optionalTime("nextRetryAt", record.retry.notBeforeMs || undefined),
    ...(guest.lastExit === undefined ? {} : { lastExit: exitToWire(guest.lastExit) }),
    boots: record.boots,
    desiredState: record.desired,
  });
}

function volumeStatuses(record: MicroVmRecord): MicroVMStatus["volumes"] {
  const statuses: MicroVMStatus["volumes"] = {};
  for (const { id } of volumesOf(record.spec)) {
    const volume = Object.hasOwn(record.made.volumes, id) ? record.made.volumes[id] : undefined;
    if (volume !== undefined) statuses[id] = create(VolumeStatusSchema, { mount: mount(volume.path) });
  }
  return statuses;
}

function interfaceStatuses(record: MicroVmRecord): MicroVMStatus["networkInterfaces"] {
  const statuses: MicroVMStatus["networkInterfaces"] = {};
  for (const [deviceId, nic] of Object.entries(record.made.interfaces)) {
    statuses[deviceId] = create(NetworkInterfaceStatusSchema, {
      hostDeviceName: nic.hostDevice,
      index: nic.hostIndex,
      macAddress: nic.hostMac.toUpperCase(),
      guestMac: nic.guestMac.toLowerCase(),
      addresses: [...nic.addresses],
    });
  }
  return statuses;
}

/** Block devices are `DEV`; files and directories on the host are `HOSTPATH`. */
function mount(path: string): Mount {
  const type = path.startsWith("/dev/") ? Mount_MountType.DEV : Mount_MountType.HOSTPATH;
  return create(MountSchema, { type, source: path });
}

function exitToWire(exit: GuestExit): {
  at: Timestamp;
  cause: string;
  message: string;
  exitCode?: number;
  signal?: string;
} {
  return {
    at: timestampFromMs(exit.atMs),
    cause: exit.cause,
    message: exit.message,
    ...(exit.exitCode === undefined ? {} : { exitCode: exit.exitCode }),
    ...(exit.signal === undefined ? {} : { signal: exit.signal }),
  };
}

function optionalTime<K extends string>(key: K, atMs: number | undefined): Partial<Record<K, Timestamp>> {
  const entry: Partial<Record<K, Timestamp>> = {};
  if (atMs !== undefined) entry[key] = timestampFromMs(atMs);
  return entry;
}
