/** A block store without blocks: keeps the port's promises in memory, for tests and simulations of other rooms. Touches no disk, reads no clock. */
import { attempt, PlatformError, type Result } from "@liquidmetal/foundation";
import type { BlockStore, ImageCallOptions, MadeVolume, VolumeRequest, VolumeUsage } from "@liquidmetal/microvm";

export interface FakeBlockStoreOptions {
  /** Size of the pretended disk, bytes. Default 1 TiB. */
  readonly totalBytes?: number;
  /** Size of volumes that ask for none. Default 512 MiB. */
  readonly defaultBytes?: number;
  /** Called before every create; throw a PlatformError to make it fail, or await to make it slow. */
  readonly beforeCreate?: (request: VolumeRequest, signal?: AbortSignal) => Promise<void> | void;
}

export class FakeBlockStore implements BlockStore {
  readonly name: string = "fake-block-store";
  /** Bases built since the beginning: one for each image and size. */
  readonly builds: string[] = [];
  readonly #options: FakeBlockStoreOptions;
  readonly #volumes: Map<string, MadeVolume> = new Map();
  readonly #bases: Map<string, string> = new Map();

  constructor(options: FakeBlockStoreOptions = {}) {
    this.#options = options;
  }

  /** Volumes that exist, by `owner/volumeId`. */
  get volumes(): ReadonlyMap<string, MadeVolume> {
    return this.#volumes;
  }

  create(request: VolumeRequest, options: ImageCallOptions = {}): Promise<Result<MadeVolume, PlatformError>> {
    return attempt(async () => {
      options.signal?.throwIfAborted();
      await this.#options.beforeCreate?.(request, options.signal);
      const key = `${request.owner}/${request.volumeId}`;
      const known = this.#volumes.get(key);
      if (known !== undefined) return known;
      const sizeBytes = request.sizeBytes ?? this.#options.defaultBytes ?? 512 * 1024 * 1024;
      if (sizeBytes < 1024 * 1024) {
        throw new PlatformError("VOLUME_FAILED", `${sizeBytes} bytes are too small for ${request.image.reference}`, {
          retry: "after-change",
        });
      }
      const { freeBytes } = this.#usage();
      if (!request.readOnly && sizeBytes > freeBytes)
        throw new PlatformError("DISK_FULL", `${sizeBytes} bytes wanted, ${freeBytes} free`);
      const base = `${request.image.chainId} ${sizeBytes}`;
      if (!this.#bases.has(base)) this.builds.push(base);
      this.#bases.set(base, request.image.digest);
      const format = request.readOnly ? "raw" : (request.formats[0] ?? "raw");
      const volume: MadeVolume = {
        id: request.volumeId,
        kind: "block",
        path: request.readOnly
          ? `/fake/bases/${request.image.chainId}`
          : `${request.directory}/volume-${request.volumeId}.${format}`,
        format,
        readOnly: request.readOnly,
        sizeBytes,
        store: this.name,
        imageDigest: request.image.digest,
      };
      this.#volumes.set(key, volume);
      return volume;
    });
  }

  async exists(volume: MadeVolume): Promise<boolean> {
    return this.#volumes.values().some((one) => one.path === volume.path);
  }

  release(volume: MadeVolume, owner: string): Promise<Result<void, PlatformError>> {
    return attempt(async () => {
      this.#volumes.delete(`${owner}/${volume.id}`);
    });
  }

  usage(): Promise<Result<VolumeUsage, PlatformError>> {
    return attempt(async () => this.#usage());
  }

  prune(inUse: (imageDigest: string) => boolean): Promise<Result<void, PlatformError>> {
    return attempt(async () => {
      const used = new Set(this.#volumes.values().map((volume) => volume.imageDigest));
      for (const [base, digest] of this.#bases) if (!used.has(digest) && !inUse(digest)) this.#bases.delete(base);
    });
  }

  #usage(): VolumeUsage {
    const { totalBytes = 1024 ** 4 } = this.#options;
    const promisedBytes = this.#volumes
      .values()
      .reduce((sum, volume) => sum + (volume.readOnly ? 0 : volume.sizeBytes), 0);
    return { totalBytes, freeBytes: totalBytes - promisedBytes, promisedBytes };
  }
}
