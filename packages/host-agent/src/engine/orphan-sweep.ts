/**
 * The orphan sweep: what is on the host, bears our mark, and stands in no record, is removed.
 *
 * First everything is listed, then each find is compared with the records as they are at the moment of removing; what a record names
 * is never touched, and nothing is made before its record. Each kind is swept by itself: when one cannot be listed now, the next resync tries again.
 */
import { PlatformError, type Result, unwrap } from "@liquidmetal/foundation";
import type { EngineContext } from "./context.ts";
import { isUid } from "./identifiers.ts";

export interface Swept {
  readonly devices: number;
  readonly directories: number;
  readonly holders: number;
  readonly volumes: number;
}

export async function sweepOrphans(context: EngineContext): Promise<Swept> {
  const sweeping = {
    devices: guarded(context, "devices", () => sweepDevices(context)),
    directories: guarded(context, "directories", () => sweepDirectories(context)),
    holders: guarded(context, "holders", () => sweepHolders(context)),
    volumes: guarded(context, "volumes", () => sweepVolumes(context)),
  };
  return {
    devices: await sweeping.devices,
    directories: await sweeping.directories,
    holders: await sweeping.holders,
    volumes: await sweeping.volumes,
  };
}

/** Caches of what no microVM uses any more. */
export async function pruneCaches(context: EngineContext, inUse: (digest: string) => boolean): Promise<void> {
  const { files, blockStores, logger } = context.deps;
  const prunes = [() => files.prune(inUse), ...blockStores.map((store) => () => store.prune(inUse))];
  for (const prune of prunes) {
    const pruned = await prune();
    if (!pruned.ok) logger.warn("prune.failed", { error: pruned.error });
  }
}

async function guarded(context: EngineContext, what: string, sweep: () => Promise<number>): Promise<number> {
  const { logger } = context.deps;
  try {
    const count = await sweep();
    if (count > 0) logger.info("sweep.removed", { what, count });
    return count;
  } catch (caught) {
    logger.warn("sweep.failed", { what, error: PlatformError.from(caught) });
    return 0;
  }
}

async function sweepDevices(context: EngineContext): Promise<number> {
  const { network } = context.deps;
  const devices = unwrap(await network.list());
  return await removeEach(
    devices,
    (device) => context.records.get(device.uid)?.made.interfaces[device.deviceId] === undefined,
    (device) => network.removeDevice(device),
  );
}

async function sweepDirectories(context: EngineContext): Promise<number> {
  const { directories } = context.deps;
  const found = unwrap(await directories.list());
  return await removeEach(
    found,
    ({ uid }) => isOrphan(context, uid),
    ({ path }) => directories.remove(path),
  );
}

async function sweepHolders(context: EngineContext): Promise<number> {
  const { images } = context.deps;
  const holders = unwrap(await images.holders());
  return await removeEach(
    holders,
    (uid) => isOrphan(context, uid),
    (uid) => images.release(uid),
  );
}

async function sweepVolumes(context: EngineContext): Promise<number> {
  let count = 0;
  for (const store of context.deps.blockStores) {
    const owners = await store.owners?.();
    if (owners === undefined) continue;
    count += await removeEach(
      unwrap(owners),
      (uid) => isOrphan(context, uid),
      async (uid) => (await store.releaseAll?.(uid)) ?? { ok: true, value: undefined },
    );
  }
  return count;
}

function isOrphan(context: EngineContext, uid: string): boolean {
  return isUid(uid) && !context.records.has(uid);
}

async function removeEach<T>(
  all: readonly T[],
  orphan: (one: T) => boolean,
  remove: (one: T) => Promise<Result<void, PlatformError>>,
): Promise<number> {
  let count = 0;
  for (const one of all) {
    if (!orphan(one)) continue;
    unwrap(await remove(one));
    count++;
  }
  return count;
}
