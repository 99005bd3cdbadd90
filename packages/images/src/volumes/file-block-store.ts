/**
 * Volumes as files: a qcow2 overlay over the image's base where the hypervisor reads qcow2, else a raw copy (sharing blocks where the file system can).
 *
 * A qcow2 volume costs one small file copy, no process. Read-only volumes are the base itself, shared. The promise of disk is written down before the file is made and
 * the file appears under its name only when it is whole; a failure takes both away.
 */
import { constants } from "node:fs";
import { chmod, chown, copyFile, open, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { attempt, type Clock, PlatformError, type Result, systemClock } from "@liquidmetal/foundation";
import type {
  BlockStore,
  ImageCallOptions,
  ImageStore,
  MadeVolume,
  Spawner,
  VolumeRequest,
  VolumeUsage,
} from "@liquidmetal/microvm";
import { SingleFlight } from "../single-flight.ts";
import { DiskLedger, type LedgerEntry } from "./disk-ledger.ts";
import { type Base, copySparse, VolumeBases } from "./volume-bases.ts";

export interface FileBlockStoreOptions {
  /** Where bases and the ledger live; best on the same file system as the volumes. */
  readonly directory: string;
  readonly images: Pick<ImageStore, "withTree">;
  readonly spawner: Spawner;
  /** Bytes of the disk that are never given away. Default 512 MiB. */
  readonly reserveBytes?: number;
  /** How many times the free space may be promised; 1 = every volume can be filled to its end. Default 1. */
  readonly overcommitFactor?: number;
  /** Bases that no volume uses are kept up to this many bytes in all. Default 20 GiB. */
  readonly idleBasesBytes?: number;
  /** How volumes are made for hypervisors that read both. Default `qcow2`. */
  readonly prefer?: "qcow2" | "raw";
  readonly clock?: Clock;
}

const GiB = 1024 ** 3;
const qcow2Magic = Buffer.from([0x51, 0x46, 0x49, 0xfb]);

export const fileBlockStoreName = "file-store";

export class FileBlockStore implements BlockStore {
  readonly name: string = fileBlockStoreName;
  readonly #options: FileBlockStoreOptions;
  readonly #ledger: DiskLedger;
  readonly #bases: VolumeBases;
  readonly #creates: SingleFlight<MadeVolume> = new SingleFlight();
  /** Bases that a create in progress relies on. */
  readonly #pins: Map<string, number> = new Map();

  private constructor(options: FileBlockStoreOptions, ledger: DiskLedger, bases: VolumeBases) {
    this.#options = options;
    this.#ledger = ledger;
    this.#bases = bases;
  }

  /** Opens the store and removes what a crash left half-made. */
  static async open(options: FileBlockStoreOptions): Promise<FileBlockStore> {
    const { directory, images, spawner, reserveBytes = GiB / 2, overcommitFactor = 1, clock = systemClock } = options;
    const ledger = await DiskLedger.open({
      directory: join(directory, "ledger"),
      reserveBytes,
      overcommitFactor,
      clock,
    });
    await chmod(directory, 0o711);
    const bases = await VolumeBases.open({ directory: join(directory, "bases"), images, spawner, ledger });
    return new FileBlockStore(options, ledger, bases);
  }

  create(request: VolumeRequest, options: ImageCallOptions = {}): Promise<Result<MadeVolume, PlatformError>> {
    return attempt(async () => {
      const key = `${request.owner}\0${request.volumeId}`;
      return await this.#creates.run(key, (signal) => this.#create(request, signal), options.signal);
    });
  }

  async exists(volume: MadeVolume): Promise<boolean> {
    return await whole(volume.path, volume.format);
  }

  release(volume: MadeVolume, owner: string): Promise<Result<void, PlatformError>> {
    return attempt(async () => {
      // A read-only volume is the base, which belongs to all.
      if (!volume.readOnly && !volume.path.startsWith(join(this.#options.directory, "bases"))) {
        await rm(volume.path, { force: true });
      }
      await this.#ledger.forget(owner, volume.id);
    });
  }

  usage(): Promise<Result<VolumeUsage, PlatformError>> {
    return attempt(async () => {
      const [space, promisedBytes] = await Promise.all([this.#ledger.space(), this.#ledger.outstandingBytes()]);
      return { ...space, promisedBytes };
    });
  }

  prune(inUse: (imageDigest: string) => boolean): Promise<Result<void, PlatformError>> {
    return attempt(async () => {
      const { idleBasesBytes = 20 * GiB } = this.#options;
      const needed = (key: string, digests: readonly string[]): boolean =>
        this.#pins.has(key) || this.#ledger.usersOf(key) > 0 || digests.some(inUse);
      await this.#bases.prune(needed, idleBasesBytes);
    });
  }

  async #create(request: VolumeRequest, signal: AbortSignal): Promise<MadeVolume> {
    const known = this.#ledger.get(request.owner, request.volumeId);
    if (known !== undefined && (await whole(known.path, known.format))) return madeVolume(known);
    // Before anything is built: what cannot be promised is not worth a base.
    if (request.sizeBytes !== undefined && !request.readOnly)
      await this.#ledger.admit(request.volumeId, request.sizeBytes);
    const key = VolumeBases.keyOf(request.image);
    this.#pins.set(key, (this.#pins.get(key) ?? 0) + 1);
    try {
      const base = await this.#bases.base(request.image, request.sizeBytes, signal);
      return await this.#clone(request, base, signal);
    } finally {
      const pins = (this.#pins.get(key) ?? 1) - 1;
      if (pins > 0) this.#pins.set(key, pins);
      else this.#pins.delete(key);
    }
  }

  async #clone(request: VolumeRequest, base: Base, signal: AbortSignal): Promise<MadeVolume> {
    const format = this.#formatFor(request);
    const entry: LedgerEntry = {
      owner: request.owner,
      volumeId: request.volumeId,
      baseKey: base.key,
      imageDigest: request.image.digest,
      path: request.readOnly
        ? base.rawPath
        : join(request.directory, `volume-${fileNameOf(request.volumeId)}.${format}`),
      format,
      readOnly: request.readOnly,
      sizeBytes: base.sizeBytes,
    };
    await this.#ledger.promise(entry);
    if (entry.readOnly) return madeVolume(entry);
    const temporary = `${entry.path}.making`;
    try {
      if (format === "qcow2") await copyFile(await this.#bases.overlay(base, signal), temporary);
      else await this.#copyRaw(base, temporary, signal);
      await chmod(temporary, 0o600);
      if (request.fileOwner !== undefined) await chown(temporary, request.fileOwner.uid, request.fileOwner.gid);
      await rename(temporary, entry.path);
      return madeVolume(entry);
    } catch (error) {
      await rm(temporary, { force: true });
      await this.#ledger.forget(request.owner, request.volumeId);
      throw volumeFailure(error, request.volumeId);
    }
  }

  async #copyRaw(base: Base, to: string, signal: AbortSignal): Promise<void> {
    try {
      await copyFile(base.rawPath, to, constants.COPYFILE_FICLONE_FORCE);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOSPC") throw error;
      await this.#ledger.needs((await stat(base.rawPath)).blocks * 512, "a copy of the image");
      await rm(to, { force: true });
      await copySparse(this.#options.spawner, base.rawPath, to, signal);
    }
  }

  #formatFor(request: VolumeRequest): "raw" | "qcow2" {
    const { prefer = "qcow2" } = this.#options;
    if (request.readOnly) return "raw";
    const format = request.formats.includes(prefer) ? prefer : request.formats[0];
    if (format === undefined)
      throw new PlatformError("CAPABILITY_MISSING", "the hypervisor names no volume format that it reads");
    return format;
  }
}

function madeVolume(entry: LedgerEntry): MadeVolume {
  const { volumeId, path, format, readOnly, sizeBytes, imageDigest } = entry;
  return { id: volumeId, kind: "block", path, format, readOnly, sizeBytes, store: fileBlockStoreName, imageDigest };
}

/** A file of the right kind. After a power cut a file may be there and empty. */
async function whole(path: string, format: "raw" | "qcow2"): Promise<boolean> {
  try {
    const handle = await open(path, "r");
    try {
      if (format === "raw") return (await handle.stat()).size > 0;
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(4), 0, 4, 0);
      return bytesRead === 4 && buffer.equals(qcow2Magic);
    } finally {
      await handle.close();
    }
  } catch {
    return false;
  }
}

function volumeFailure(error: unknown, volumeId: string): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (error instanceof PlatformError || code === undefined) return error;
  const full = code === "ENOSPC" || code === "EDQUOT";
  return new PlatformError(full ? "DISK_FULL" : "VOLUME_FAILED", `volume ${volumeId}: ${(error as Error).message}`, {
    cause: error,
  });
}

/** Volume ids are checked long before; here only a path is kept from being made of one that is not. */
function fileNameOf(volumeId: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9._-]{0,120}$/.test(volumeId)) return volumeId;
  throw new PlatformError("SPEC_INVALID", `volume id '${volumeId.slice(0, 60)}' cannot be part of a file name`);
}
