/** Executors of the steps that make and give back what a VMM needs: directories, files, volumes, interfaces, seed. */
import { PlatformError, unwrap } from "@liquidmetal/foundation";
import {
  type InterfaceRequest,
  type MadeFile,
  type MadeVolume,
  type MicroVmRecord,
  type NetworkInterface,
  type Volume,
  volumesOf,
} from "@liquidmetal/microvm";
import { type EngineContext, vmmIdentity } from "./context.ts";
import { folderToken } from "./identifiers.ts";
import { isolationGroupOf } from "./isolation-group.ts";
import { type Executor, imageOf, type Run, recordOf } from "./run.ts";
import { removeCgroup } from "./vmm-steps.ts";

export const createDirectory: Executor<"create-directory"> = async (context, run) => {
  const record = recordOf(context, run);
  const { directories } = context.deps;
  const owner = vmmIdentity(record);
  unwrap(await directories.ensure(record.made.directory, owner));
  unwrap(await directories.ensure(record.made.runDirectory, owner));
  return { change: (current) => current };
};

export const fetchKernel: Executor<"fetch-kernel"> = async (context, run, _step, signal) => {
  const { image, filename } = recordOf(context, run).spec.kernel;
  const kernel = await fetchFile(context, run, image, filename, signal);
  return { change: (record) => ({ ...record, made: { ...record.made, kernel } }) };
};

export const fetchInitrd: Executor<"fetch-initrd"> = async (context, run, _step, signal) => {
  const { initrd: wanted } = recordOf(context, run).spec;
  if (wanted === undefined) throw new PlatformError("INTERNAL", "the spec has no initrd");
  const initrd = await fetchFile(context, run, wanted.image, wanted.filename, signal);
  return { change: (record) => ({ ...record, made: { ...record.made, initrd } }) };
};

async function fetchFile(
  context: EngineContext,
  run: Run,
  reference: string,
  filename: string,
  signal: AbortSignal,
): Promise<MadeFile> {
  const image = await imageOf(context, run, reference, signal);
  return unwrap(await context.deps.files.fetch(image, filename, { signal }));
}

export const createVolume: Executor<"create-volume"> = async (context, run, step, signal) => {
  const record = recordOf(context, run);
  const volume = volumesOf(record.spec).find((one) => one.id === step.volumeId);
  if (volume === undefined) throw new PlatformError("INTERNAL", `the spec has no volume ${step.volumeId}`);
  const made = await makeVolume(context, run, record, volume, signal);
  return { change: (now) => withVolumes(now, { ...now.made.volumes, [volume.id]: made }) };
};

async function makeVolume(
  context: EngineContext,
  run: Run,
  record: MicroVmRecord,
  volume: Volume,
  signal: AbortSignal,
): Promise<MadeVolume> {
  const { blockStores, sharedFolders, host } = context.deps;
  const { readOnly, id: volumeId, source } = volume;
  const owner = run.uid;
  const identity = vmmIdentity(record);
  if (source.kind === "virtiofs") {
    if (sharedFolders === undefined) throw new PlatformError("CAPABILITY_MISSING", "this host shares no directories");
    const token = folderToken(host.hostId, owner, volumeId);
    const { runDirectory } = record.made;
    const request = { owner, volumeId, path: source.path, readOnly, runDirectory, token };
    return unwrap(await sharedFolders.create(identity === undefined ? request : { ...request, identity }, { signal }));
  }
  const store = blockStores[0];
  if (store === undefined) throw new PlatformError("VOLUME_FAILED", "this host has no block store");
  const image = await imageOf(context, run, source.image, signal);
  const capabilities = unwrap(await context.hypervisors.capabilities(record.made.provider));
  const request = {
    owner,
    volumeId,
    directory: record.made.directory,
    image,
    readOnly,
    formats: capabilities.volumeFormats,
    ...(volume.sizeMiB === undefined ? {} : { sizeBytes: volume.sizeMiB * 1024 * 1024 }),
    ...(identity === undefined ? {} : { fileOwner: identity }),
  };
  return unwrap(await store.create(request, { signal }));
}

export const createInterface: Executor<"create-interface"> = async (context, run, step, signal) => {
  const record = recordOf(context, run);
  const nic = record.spec.interfaces.find((one) => one.deviceId === step.deviceId);
  const planned = record.made.interfaces[step.deviceId];
  if (nic === undefined || planned === undefined) {
    throw new PlatformError("INTERNAL", `the record has no interface ${step.deviceId}`);
  }
  const made = unwrap(await context.deps.network.create(interfaceRequest(record, nic), planned, { signal }));
  return {
    change: (now) => ({
      ...now,
      made: { ...now.made, interfaces: { ...now.made.interfaces, [step.deviceId]: made } },
    }),
  };
};

export function interfaceRequest(record: MicroVmRecord, nic: NetworkInterface): InterfaceRequest {
  const owner = vmmIdentity(record);
  const { namespace, name } = record.spec;
  const isolationGroup = isolationGroupOf(record.spec);
  return {
    uid: record.uid,
    interface: nic,
    hostName: `${name}.${namespace}`,
    ...(owner === undefined ? {} : { owner }),
    ...(isolationGroup === undefined ? {} : { isolationGroup }),
  };
}

export const writeSeed: Executor<"write-seed"> = async (context, run, _step, signal) => {
  const record = recordOf(context, run);
  const { uid, spec, made } = record;
  const owner = vmmIdentity(record);
  const interfaces = spec.interfaces.flatMap((nic) => made.interfaces[nic.deviceId] ?? []);
  const request = { uid, spec, interfaces, directory: made.directory };
  const path = unwrap(
    await context.deps.metadata.write(owner === undefined ? request : { ...request, fileOwner: owner }, { signal }),
  );
  return { change: (now) => ({ ...now, made: { ...now.made, seedPath: path ?? "" } }) };
};

export const releaseInterface: Executor<"release-interface"> = async (context, run, step, signal) => {
  const made = recordOf(context, run).made.interfaces[step.deviceId];
  if (made !== undefined) unwrap(await context.deps.network.release(run.uid, made, { signal }));
  return {
    change: (record) => {
      const { [step.deviceId]: _released, ...interfaces } = record.made.interfaces;
      return { ...record, made: { ...record.made, interfaces } };
    },
  };
};

export const releaseVolume: Executor<"release-volume"> = async (context, run, step, signal) => {
  const volume = recordOf(context, run).made.volumes[step.volumeId];
  if (volume !== undefined) await release(context, volume, run.uid, signal);
  return {
    change: (record) => {
      const { [step.volumeId]: _released, ...volumes } = record.made.volumes;
      return withVolumes(record, volumes);
    },
  };
};

async function release(context: EngineContext, volume: MadeVolume, owner: string, signal: AbortSignal): Promise<void> {
  const { blockStores, sharedFolders } = context.deps;
  if (volume.kind === "virtiofs") {
    if (sharedFolders === undefined) throw new PlatformError("CAPABILITY_MISSING", "this host shares no directories");
    unwrap(await sharedFolders.release(volume, { signal }));
    return;
  }
  const store = blockStores.find((one) => one.name === volume.store);
  if (store === undefined) {
    const why = `volume ${volume.id} was made by the block store ${volume.store}, which is not configured`;
    throw new PlatformError("VOLUME_FAILED", why, {
      remedy: "configure that block store again, so that it can release it",
    });
  }
  unwrap(await store.release(volume, owner, { signal }));
}

/** The holds on images, and volumes that were made but never committed: a crash between the two leaves such a one. */
export const releaseImages: Executor<"release-images"> = async (context, run, _step, signal) => {
  const { images, blockStores } = context.deps;
  for (const store of blockStores) {
    const released = await store.releaseAll?.(run.uid, { signal });
    if (released !== undefined) unwrap(released);
  }
  unwrap(await images.release(run.uid, { signal }));
  return { change: (record) => record };
};

export const deleteDirectory: Executor<"delete-directory"> = async (context, run) => {
  const { made } = recordOf(context, run);
  await removeCgroup(context, run.uid);
  unwrap(await context.deps.directories.remove(made.runDirectory));
  unwrap(await context.deps.directories.remove(made.directory));
  return { change: (record) => record };
};

function withVolumes(record: MicroVmRecord, volumes: MicroVmRecord["made"]["volumes"]): MicroVmRecord {
  return { ...record, made: { ...record.made, volumes } };
}
