/**
 * Admission: what this host refuses before it promises anything.
 *
 * The host is the final authority on its capacity. A microVM holds its vCPUs and memory from acceptance until it is stopped or gone: stopping
 * frees them, starting asks for them again. Its volumes stay. The check and the commit happen in one turn of the event loop, so concurrent
 * creates never overshoot.
 */
import { PlatformError } from "@liquidmetal/foundation";
import { type Capabilities, type MicroVmRecord, type MicroVmSpec, volumesOf } from "@liquidmetal/microvm";
import type { EngineConfig, HostDescription } from "./dependencies.ts";

export interface Compute {
  readonly vcpu: number;
  readonly memoryMiB: number;
}

/** What may be promised in all: capacity times the over-commit factors, less the host's own reserve. */
export function allocatable(host: HostDescription, config: EngineConfig): Compute {
  const { vcpu, memoryMiB } = host.capacity;
  return {
    vcpu: Math.floor(vcpu * config.overcommit.vcpu),
    memoryMiB: Math.max(0, Math.floor((memoryMiB - config.reservedMemoryMiB) * config.overcommit.memory)),
  };
}

/** What is promised now. */
export function allocated(records: Iterable<MicroVmRecord>): Compute {
  let vcpu = 0;
  let memoryMiB = 0;
  for (const record of records) {
    if (!holdsCompute(record)) continue;
    vcpu += record.spec.vcpu;
    memoryMiB += record.spec.memoryMiB;
  }
  return { vcpu, memoryMiB };
}

/** Whether this microVM's vCPUs and memory are promised: unless it is stopped, by wish and in fact. */
export function holdsCompute(record: MicroVmRecord): boolean {
  return record.desired !== "stopped" || record.made.process !== undefined;
}

/** CAPACITY_EXCEEDED when the host cannot carry this spec besides what it has promised. */
export function checkCapacity(
  spec: MicroVmSpec,
  records: Iterable<MicroVmRecord>,
  host: HostDescription,
  config: EngineConfig,
): void {
  if (spec.vcpu > host.capacity.vcpu) {
    throw new PlatformError(
      "CAPACITY_EXCEEDED",
      `${spec.vcpu} vCPUs are more than the ${host.capacity.vcpu} processors of this host`,
    );
  }
  const limit = allocatable(host, config);
  const held = allocated(records);
  if (held.vcpu + spec.vcpu > limit.vcpu) throw exceeded("vCPUs", spec.vcpu, limit.vcpu - held.vcpu, limit.vcpu);
  if (held.memoryMiB + spec.memoryMiB > limit.memoryMiB) {
    throw exceeded("MiB of memory", spec.memoryMiB, limit.memoryMiB - held.memoryMiB, limit.memoryMiB);
  }
}

function exceeded(what: string, wanted: number, free: number, limit: number): PlatformError {
  return new PlatformError(
    "CAPACITY_EXCEEDED",
    `${wanted} ${what} do not fit: ${Math.max(free, 0)} of ${limit} are free on this host`,
    { details: { wanted, free: Math.max(free, 0), limit } },
  );
}

/** CAPABILITY_MISSING when the hypervisor cannot run this spec. */
export function checkCapabilities(spec: MicroVmSpec, capabilities: Capabilities): void {
  const missing = (text: string): PlatformError =>
    new PlatformError("CAPABILITY_MISSING", `${capabilities.name} ${text}`);
  if (spec.vcpu > capabilities.vcpuMax) throw missing(`runs at most ${capabilities.vcpuMax} vCPUs, not ${spec.vcpu}`);
  for (const nic of spec.interfaces) {
    if (!capabilities.interfaceTypes.includes(nic.type)) {
      throw missing(`has no ${nic.type} interfaces here (interface ${nic.deviceId})`);
    }
  }
  for (const volume of volumesOf(spec)) {
    if (volume.source.kind === "virtiofs" && !capabilities.virtiofs) {
      throw missing(`cannot share directories by virtiofs here (volume ${volume.id})`);
    }
  }
  if (spec.initrd !== undefined && !capabilities.bootSources.includes("initrd"))
    throw missing("boots without an initrd only");
}
