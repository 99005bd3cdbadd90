/**
 * Volumes as containerd snapshots, from a snapshotter that hands out block devices (`devmapper`) or files with a file system (`blockfile`).
 *
 * The snapshot `flintlock/<owner>/<volume>` hangs on the image's unpacked tree and is held by the owner's lease, so that containerd frees it with the lease at the latest.
 * Names and labels are upstream's. A volume is as large as the snapshotter's base; files can be grown, devices cannot.
 */
import { chown, link, rm, stat, truncate } from "node:fs/promises";
import { join } from "node:path";
import { attempt, type Clock, PlatformError, type Result, systemClock, unwrap } from "@liquidmetal/foundation";
import type {
  BlockStore,
  ImageCallOptions,
  MadeVolume,
  Spawner,
  VolumeRequest,
  VolumeUsage,
} from "@liquidmetal/microvm";
import { isAlreadyExists } from "../containerd/failure.ts";
import type { SnapshotMount, SnapshotStore } from "../containerd/snapshots.ts";
import { SingleFlight } from "../single-flight.ts";
import type { ContainerdImageStore } from "../store/containerd-image-store.ts";
import { DiskLedger } from "./disk-ledger.ts";
import { growExt4, toolFailed } from "./ext4.ts";

export interface SnapshotBlockStoreOptions {
  readonly images: ContainerdImageStore;
  /** `devmapper`, `blockfile`, or another one that hands out block devices or files. */
  readonly snapshotter: string;
  readonly spawner: Spawner;
  /** For the ledger of promises; on the file system that the snapshotter fills. */
  readonly directory: string;
  /** As for the file store. */
  readonly reserveBytes?: number;
  readonly overcommitFactor?: number;
  readonly clock?: Clock;
}

export const snapshotBlockStoreName = "snapshot-store";

export class SnapshotBlockStore implements BlockStore {
  readonly name: string = snapshotBlockStoreName;
  readonly #options: SnapshotBlockStoreOptions;
  readonly #snapshots: SnapshotStore;
  readonly #ledger: DiskLedger;
  readonly #creates: SingleFlight<MadeVolume> = new SingleFlight();

  private constructor(options: SnapshotBlockStoreOptions, ledger: DiskLedger) {
    this.#options = options;
    this.#ledger = ledger;
    this.#snapshots = options.images.containerd.snapshots(options.snapshotter);
  }

  /** CAPABILITY_MISSING when containerd has no such snapshotter. */
  static async open(options: SnapshotBlockStoreOptions): Promise<SnapshotBlockStore> {
    const { directory, reserveBytes = 512 * 1024 * 1024, overcommitFactor = 1, clock = systemClock } = options;
    const ledger = await DiskLedger.open({
      directory: join(directory, `ledger-${options.snapshotter}`),
      reserveBytes,
      overcommitFactor,
      clock,
    });
    const store = new SnapshotBlockStore(options, ledger);
    await options.images.snapshotter();
    if (await store.#snapshots.available()) return store;
    throw new PlatformError(
      "CAPABILITY_MISSING",
      `containerd has no snapshotter '${options.snapshotter}', or it could not be loaded`,
    );
  }

  create(request: VolumeRequest, options: ImageCallOptions = {}): Promise<Result<MadeVolume, PlatformError>> {
    return attempt(async () => {
      if (!request.formats.includes("raw"))
        throw new PlatformError("CAPABILITY_MISSING", "the hypervisor does not read raw volumes");
      const key = keyOf(request.owner, request.volumeId);
      return await this.#creates.run(key, (signal) => this.#create(request, key, signal), options.signal);
    });
  }

  async exists(volume: MadeVolume): Promise<boolean> {
    // containerd removes a snapshot's file some time after the snapshot.
    if (!this.#ledger.hasPath(volume.path)) return false;
    return await stat(volume.path).then(
      () => true,
      () => false,
    );
  }

  release(volume: MadeVolume, owner: string): Promise<Result<void, PlatformError>> {
    return attempt(async () => {
      await this.#snapshots.remove(keyOf(owner, volume.id));
      if (volume.path.endsWith(linkName(volume.id))) await rm(volume.path, { force: true });
      await this.#ledger.forget(owner, volume.id);
    });
  }

  usage(): Promise<Result<VolumeUsage, PlatformError>> {
    return attempt(async () => ({
      ...(await this.#ledger.space()),
      promisedBytes: await this.#ledger.outstandingBytes(),
    }));
  }

  /** Bases are containerd's here; its garbage collector takes them when no image and no lease needs them. */
  prune(): Promise<Result<void, PlatformError>> {
    return attempt(async () => undefined);
  }

  async #create(request: VolumeRequest, key: string, signal: AbortSignal): Promise<MadeVolume> {
    const { owner, volumeId, image, readOnly, sizeBytes } = request;
    const known = this.#ledger.get(owner, volumeId);
    if (known !== undefined && (await this.#snapshots.exists(key, { signal })))
      return this.#made(request, known.path, known.sizeBytes);
    if (sizeBytes !== undefined && !readOnly) await this.#ledger.admit(volumeId, sizeBytes);
    const parent = unwrap(await this.#options.images.unpackInto(image, this.#options.snapshotter, owner, { signal }));
    const mount = await this.#snapshot(request, key, parent, signal);
    try {
      const actualBytes = await this.#resize(request, mount, signal);
      const path = await this.#handOver(request, mount);
      const entry = {
        owner,
        volumeId,
        baseKey: parent,
        imageDigest: image.digest,
        path,
        format: "raw" as const,
        readOnly,
        sizeBytes: actualBytes,
      };
      await this.#ledger.promise(entry);
      return this.#made(request, path, actualBytes);
    } catch (error) {
      await rm(join(request.directory, linkName(volumeId)), { force: true });
      await this.#snapshots.remove(key).catch(() => undefined);
      throw error;
    }
  }

  async #snapshot(request: VolumeRequest, key: string, parent: string, signal: AbortSignal): Promise<SnapshotMount> {
    const labels = { "flintlock/owner": request.owner, "flintlock/owner-usage": request.volumeId };
    const call = { lease: `flintlock/${request.owner}`, signal };
    let mounts: readonly SnapshotMount[];
    try {
      mounts = await (request.readOnly
        ? this.#snapshots.view({ key, parent, labels }, call)
        : this.#snapshots.prepare({ key, parent, labels }, call));
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
      mounts = await this.#snapshots.mounts(key, call);
    }
    const [mount] = mounts;
    if (mount !== undefined && mounts.length === 1 && mount.type !== "bind" && mount.type !== "overlay") return mount;
    await this.#snapshots.remove(key).catch(() => undefined);
    throw new PlatformError(
      "CAPABILITY_MISSING",
      `snapshotter '${this.#options.snapshotter}' hands out directories, not block devices`,
    );
  }

  /** The volume's size, after it was made as large as asked. */
  async #resize(request: VolumeRequest, mount: SnapshotMount, signal: AbortSignal): Promise<number> {
    const { spawner, snapshotter } = this.#options;
    const stats = await stat(mount.source);
    const actualBytes = stats.isBlockDevice() ? await this.#deviceBytes(mount.source, signal) : stats.size;
    const wanted = request.sizeBytes ?? actualBytes;
    const refuse = (why: string): PlatformError =>
      new PlatformError(
        "VOLUME_FAILED",
        `${wanted} bytes wanted for volume ${request.volumeId}, but volumes of '${snapshotter}' have ${actualBytes} bytes and ${why}`,
        {
          retry: "after-change",
          remedy: "ask for a size that the snapshotter offers, or use the file store",
        },
      );
    if (wanted === actualBytes || request.readOnly) return actualBytes;
    if (wanted < actualBytes) throw refuse("cannot shrink");
    if (!stats.isFile()) throw refuse("cannot grow");
    await truncate(mount.source, wanted);
    await growExt4(spawner, mount.source, signal);
    return wanted;
  }

  async #deviceBytes(device: string, signal: AbortSignal): Promise<number> {
    const result = unwrap(
      await this.#options.spawner.run({ program: "blockdev", args: ["--getsize64", device], signal }),
    );
    const bytes = Number(result.stdout.trim());
    if (result.code !== 0 || !Number.isSafeInteger(bytes) || bytes <= 0) throw toolFailed("blockdev", result);
    return bytes;
  }

  /** containerd's directories are closed to the VMM's user: it gets the device itself, or a second name of the file in its own directory. */
  async #handOver(request: VolumeRequest, mount: SnapshotMount): Promise<string> {
    const { fileOwner, readOnly, directory, volumeId } = request;
    if (fileOwner === undefined || readOnly) return mount.source;
    await chown(mount.source, fileOwner.uid, fileOwner.gid);
    if (!(await stat(mount.source)).isFile()) return mount.source;
    const path = join(directory, linkName(volumeId));
    await rm(path, { force: true });
    try {
      await link(mount.source, path);
    } catch (error) {
      throw new PlatformError(
        "VOLUME_FAILED",
        `containerd's data and ${directory} must be on one file system: ${(error as Error).message}`,
        { cause: error },
      );
    }
    return path;
  }

  #made(request: VolumeRequest, path: string, sizeBytes: number): MadeVolume {
    const { volumeId, readOnly, image } = request;
    return {
      id: volumeId,
      kind: "block",
      path,
      format: "raw",
      readOnly,
      sizeBytes,
      store: this.name,
      imageDigest: image.digest,
    };
  }
}

function keyOf(owner: string, volumeId: string): string {
  return `flintlock/${owner}/${volumeId}`;
}

function linkName(volumeId: string): string {
  return `snapshot-${volumeId.replaceAll(/[^A-Za-z0-9._-]/g, "_")}.raw`;
}
