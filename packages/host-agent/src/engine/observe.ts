/**
 * Looking at the world for one microVM. What its plan will not ask for is not looked at: a guest that runs is observed at no cost.
 *
 * A process that the record names and that nobody watches is adopted here, or found gone, or left alone because it cannot be proven ours.
 */
import { PlatformError, type Result } from "@liquidmetal/foundation";
import {
  type Adoption,
  type MicroVmRecord,
  type Observation,
  type VmmObservation,
  volumesOf,
} from "@liquidmetal/microvm";
import type { EngineContext } from "./context.ts";
import { applyExit } from "./guest-events.ts";
import { machineToAdopt } from "./machine.ts";
import { killIfOurs, killStraysOf } from "./strays.ts";

export async function observe(
  context: EngineContext,
  uid: string,
  signal: AbortSignal,
): Promise<Observation | undefined> {
  await context.guests.settled(uid);
  const vmm = await observeVmm(context, uid, signal);
  const record = context.records.get(uid);
  if (record === undefined) return undefined;
  const starts = record.desired === "running" || record.desired === "paused";
  if (vmm.state !== "absent" || !starts) return { ...everything(record), vmm };
  return { ...(await observeParts(context, record)), vmm };
}

async function observeVmm(context: EngineContext, uid: string, signal: AbortSignal): Promise<VmmObservation> {
  const guest = context.guests.get(uid);
  if (guest !== undefined) {
    const state = guest.vmm.state();
    return state === "exited" ? { state: "absent" } : { state, bootGeneration: guest.generation };
  }
  const record = context.records.get(uid);
  if (record === undefined) return { state: "absent" };
  if (context.suspects.has(uid)) {
    await killStraysOf(context.deps, record);
    context.suspects.delete(uid);
  }
  return await adopt(context, record, signal);
}

/** Finds the VMM that the record names. Commits its end when it is gone. */
export async function adopt(
  context: EngineContext,
  record: MicroVmRecord,
  signal: AbortSignal,
): Promise<VmmObservation> {
  const { deps, guests, records } = context;
  const { process, processGeneration } = record.made;
  if (process === undefined) return { state: "absent" };
  if (record.inFlight === "start-vmm") {
    // The agent died between spawning it and knowing that it runs. Nobody was told of it, and it may wait for ever: start afresh.
    await killIfOurs(deps, process);
    records.update(record.uid, (current) => ({ ...current, made: withoutProcess(current), phase: resting(current) }));
    return { state: "absent" };
  }
  const adoption = await askDriver(context, record, signal);
  if (!adoption.ok) {
    if (adoption.error.code !== "PROCESS_UNVERIFIED") throw adoption.error;
    return { state: "unverifiable", why: adoption.error.message };
  }
  if (adoption.value.state === "gone") {
    const rebooted = process.bootId !== deps.host.bootId;
    const message = rebooted ? "the host was restarted" : "the VMM ended while nobody watched it";
    applyExit(context, record.uid, { atMs: deps.clock.nowMs(), cause: "lost", message }, 0);
    return { state: "absent" };
  }
  const guest = guests.watch(adoption.value.vmm, processGeneration ?? record.bootGeneration);
  deps.logger.debug("guest.adopted", { uid: record.uid, pid: process.pid });
  const state = guest.vmm.state();
  return state === "exited" ? { state: "absent" } : { state, bootGeneration: guest.generation };
}

/** A hypervisor that is no longer configured cannot adopt; a process that is gone needs none to be found gone. */
async function askDriver(
  { deps, hypervisors }: EngineContext,
  record: MicroVmRecord,
  signal: AbortSignal,
): Promise<Result<Adoption, PlatformError>> {
  const { process, provider } = record.made;
  const configured = hypervisors.names.includes(provider);
  if (!configured && process !== undefined && (await deps.spawner.verdict(process)) === "gone") {
    return { ok: true, value: { state: "gone" } };
  }
  return await hypervisors.driver(provider).adopt(machineToAdopt(record, deps), record.made, { signal });
}

function withoutProcess(record: MicroVmRecord): MicroVmRecord["made"] {
  const { process: _gone, processGeneration: _past, ...made } = record.made;
  return made;
}

function resting(record: MicroVmRecord): MicroVmRecord["phase"] {
  return record.phase === "deleting" ? "deleting" : "pending";
}

/** What is assumed of a microVM whose parts the plan will not ask for. */
function everything(record: MicroVmRecord): Omit<Observation, "vmm"> {
  return {
    directory: true,
    kernel: true,
    initrd: true,
    volumes: new Set(volumesOf(record.spec).map((volume) => volume.id)),
    interfaces: new Set(record.spec.interfaces.map((nic) => nic.deviceId)),
    seed: true,
  };
}

async function observeParts(context: EngineContext, record: MicroVmRecord): Promise<Omit<Observation, "vmm">> {
  const { directories, network } = context.deps;
  const { made, uid } = record;
  const there = async (path: string | undefined): Promise<boolean> =>
    path !== undefined && (await directories.exists(path));
  const [directory, runDirectory, kernel, initrd, seed, volumes, interfaces] = await Promise.all([
    there(made.directory),
    there(made.runDirectory),
    there(made.kernel?.path),
    there(made.initrd?.path),
    made.seedPath === "" ? true : there(made.seedPath),
    existing(
      Object.values(made.volumes),
      (volume) => volume.id,
      (volume) => volumeExists(context, volume),
    ),
    existing(
      Object.values(made.interfaces).filter((nic) => nic.hostIndex !== 0),
      (nic) => nic.deviceId,
      (nic) => network.exists(uid, nic),
    ),
  ]);
  return { directory: directory && runDirectory, kernel, initrd, seed, volumes, interfaces };
}

async function volumeExists(
  context: EngineContext,
  volume: MicroVmRecord["made"]["volumes"][string],
): Promise<boolean> {
  const { blockStores, sharedFolders } = context.deps;
  if (volume.kind === "virtiofs") return (await sharedFolders?.exists(volume)) ?? false;
  const store = blockStores.find((candidate) => candidate.name === volume.store);
  if (store === undefined) {
    throw new PlatformError(
      "VOLUME_FAILED",
      `volume ${volume.id} was made by the block store ${volume.store}, which this host no longer has`,
    );
  }
  return await store.exists(volume);
}

async function existing<T>(
  all: readonly T[],
  nameOf: (one: T) => string,
  exists: (one: T) => Promise<boolean>,
): Promise<ReadonlySet<string>> {
  const found = await Promise.all(all.map(async (one) => ((await exists(one)) ? [nameOf(one)] : [])));
  return new Set(found.flat());
}
