/** From a record to what a driver needs to know. */
import { PlatformError } from "@liquidmetal/foundation";
import { type Machine, type MadeInterface, type MadeVolume, type MicroVmRecord, volumesOf } from "@liquidmetal/microvm";
import { vmmIdentity } from "./context.ts";
import type { EngineDependencies } from "./dependencies.ts";

export interface Boot {
  readonly token: string;
  readonly generation: number;
  readonly vsock: boolean;
}

/** Throws INTERNAL when something that the spec names has not been made; the planner does not let that happen. */
export function machineToStart(record: MicroVmRecord, deps: EngineDependencies, boot: Boot): Machine {
  const { spec, made } = record;
  for (const volume of volumesOf(spec)) if (made.volumes[volume.id] === undefined) throw missing(record, volume.id);
  for (const nic of spec.interfaces)
    if (made.interfaces[nic.deviceId] === undefined) throw missing(record, nic.deviceId);
  if (made.kernel === undefined) throw missing(record, "kernel");
  return machine(record, deps, boot);
}

/** As far as the record knows it: enough to find a VMM again. */
export function machineToAdopt(record: MicroVmRecord, deps: EngineDependencies): Machine {
  const { made, bootGeneration } = record;
  return machine(record, deps, {
    token: made.process?.token ?? "",
    generation: made.processGeneration ?? bootGeneration,
    vsock: made.vsockPath !== undefined,
  });
}

/** Name of the microVM's cgroup below the platform's root; undefined = none. */
export function cgroupName(deps: EngineDependencies, uid: string): string | undefined {
  const { cgroupParent } = deps.config;
  return cgroupParent === undefined ? undefined : `${cgroupParent}/${uid}`;
}

function machine(record: MicroVmRecord, deps: EngineDependencies, boot: Boot): Machine {
  const { spec, made, uid } = record;
  const identity = vmmIdentity(record);
  const cgroup = cgroupName(deps, uid);
  const { networkNamespace } = deps.network;
  return {
    uid,
    namespace: spec.namespace,
    name: spec.name,
    vcpu: spec.vcpu,
    memoryMiB: spec.memoryMiB,
    kernelPath: made.kernel?.path ?? "",
    ...(made.initrd === undefined ? {} : { initrdPath: made.initrd.path }),
    cmdline: spec.kernel.cmdline,
    hasRootVolume: spec.rootVolume !== undefined,
    volumes: volumesOf(spec)
      .map((volume) => made.volumes[volume.id])
      .filter((volume): volume is MadeVolume => volume !== undefined),
    interfaces: spec.interfaces
      .map((nic) => made.interfaces[nic.deviceId])
      .filter((nic): nic is MadeInterface => nic !== undefined),
    ...(made.seedPath === undefined || made.seedPath === "" ? {} : { seedPath: made.seedPath }),
    vsock: boot.vsock,
    directory: made.directory,
    runDirectory: made.runDirectory,
    ...(identity === undefined ? {} : { identity }),
    ...(cgroup === undefined ? {} : { cgroupName: cgroup }),
    ...(networkNamespace === undefined ? {} : { networkNamespace }),
    bootGeneration: boot.generation,
    token: boot.token,
  };
}

function missing(record: MicroVmRecord, what: string): PlatformError {
  return new PlatformError("INTERNAL", `${record.uid} cannot start: ${what} has not been made`);
}
