/**
 * Which block store a host gets.
 *
 * By cost of a volume, the cheapest first: a qcow2 overlay (a small file copy), a raw copy that shares its blocks (reflink), a device-mapper snapshot, a blockfile
 * snapshot where the user names it, and a sparse copy, which always works.
 */
import { constants } from "node:fs";
import { copyFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { attempt, PlatformError, type Result } from "@liquidmetal/foundation";
import type { BlockStore, Spawner } from "@liquidmetal/microvm";
import type { ContainerdImageStore } from "../store/containerd-image-store.ts";
import { FileBlockStore, type FileBlockStoreOptions, fileBlockStoreName } from "./file-block-store.ts";
import { SnapshotBlockStore, snapshotBlockStoreName } from "./snapshot-block-store.ts";

/** `auto`, a store's name, or `snapshot-store:<snapshotter>`. */
export type BlockStorePreference = string;

export interface BlockStoreChoice {
  readonly preference: BlockStorePreference;
  /** Exists. */
  readonly directory: string;
  readonly images: ContainerdImageStore;
  readonly spawner: Spawner;
  /** What the host's default hypervisor reads, best first. */
  readonly formats: readonly ("raw" | "qcow2")[];
  readonly disk?: Pick<FileBlockStoreOptions, "reserveBytes" | "overcommitFactor" | "idleBasesBytes">;
}

/** CONFIG_INVALID for an unknown preference, CAPABILITY_MISSING for one that this host cannot give. */
export function chooseBlockStore(choice: BlockStoreChoice): Promise<Result<BlockStore, PlatformError>> {
  return attempt(async () => {
    const { preference, directory, images, spawner, disk = {} } = choice;
    const files = (): Promise<BlockStore> => FileBlockStore.open({ ...disk, directory, images, spawner });
    const snapshots = (snapshotter: string): Promise<BlockStore> =>
      SnapshotBlockStore.open({ ...disk, directory, images, spawner, snapshotter });
    if (preference === fileBlockStoreName) return await files();
    if (preference === snapshotBlockStoreName) return await snapshots("devmapper");
    if (preference.startsWith(`${snapshotBlockStoreName}:`))
      return await snapshots(preference.slice(snapshotBlockStoreName.length + 1));
    if (preference !== "auto") {
      throw new PlatformError(
        "CONFIG_INVALID",
        `block store '${preference}' is unknown: auto, ${fileBlockStoreName}, ${snapshotBlockStoreName}:<snapshotter>`,
      );
    }
    if (choice.formats.includes("qcow2") || (await sharesBlocks(directory))) return await files();
    await images.snapshotter();
    return (await images.containerd.snapshots("devmapper").available()) ? await snapshots("devmapper") : await files();
  });
}

/** Whether copies on this file system can share their blocks (btrfs, xfs, bcachefs). */
async function sharesBlocks(directory: string): Promise<boolean> {
  const work = await mkdtemp(join(directory, "probe-"));
  try {
    await writeFile(join(work, "one"), Buffer.alloc(4096, 1));
    await copyFile(join(work, "one"), join(work, "two"), constants.COPYFILE_FICLONE_FORCE);
    return true;
  } catch {
    return false;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}
