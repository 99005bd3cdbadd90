/**
 * The image store: containerd holds content, trees and names; registries are asked by ourselves (so it works alike with containerd 1.6 and 2.x).
 *
 * Holds are leases `flintlock/<owner>`. While something is pulled or imported, a lease of its own holds it, which expires after a day should we die; only when
 * everything is there does the image get its record. So a failure leaves nothing behind but what others hold.
 */
import { randomUUID } from "node:crypto";
import {
  attempt,
  type Clock,
  type Entropy,
  PlatformError,
  type Result,
  Semaphore,
  systemClock,
  systemEntropy,
} from "@liquidmetal/foundation";
import type {
  ImageCallOptions,
  ImageInfo,
  ImageStore,
  ImageTree,
  PullProgress,
  ResolvedImage,
} from "@liquidmetal/microvm";
import {
  hostPlatform,
  type Platform,
  parseReference,
  RegistryClient,
  type RegistryOptions,
} from "@liquidmetal/registry";
import type { ConnectionOptions } from "../containerd/connection.ts";
import { Containerd, type ImageRecord } from "../containerd/containerd.ts";
import { SingleFlight } from "../single-flight.ts";
import { type ArchiveLimits, readArchive } from "./archive.ts";
import { ImageCatalogue } from "./image-catalogue.ts";
import { ImageHolds } from "./image-holds.ts";
import { importImages } from "./import.ts";
import { type OpenedImage, openImage } from "./opened-image.ts";
import { type PullContext, pull } from "./pull.ts";
import { unpack } from "./unpack.ts";

export interface ContainerdImageStoreOptions extends ConnectionOptions {
  /** Where file trees are unpacked. Default `overlayfs`, else `native` where containerd has no overlayfs. */
  readonly snapshotter?: string;
  /** Default: this host's. */
  readonly platform?: Platform;
  readonly registry?: RegistryOptions;
  /** Transfers at once, over all pulls. Default 6. */
  readonly transfersMax?: number;
  /** Attempts at one blob. Default 4. */
  readonly pullAttempts?: number;
  readonly archive?: ArchiveLimits;
  /** Names, for people, of what uses an image now (completed reference); `remove` refuses while there are any. Default: nobody. */
  readonly usersOf?: (reference: string) => readonly string[];
  readonly clock?: Clock;
  readonly entropy?: Entropy;
}

const dayMs = 86_400_000;

export class ContainerdImageStore implements ImageStore {
  readonly containerd: Containerd;
  readonly #options: ContainerdImageStoreOptions;
  readonly #platform: Platform;
  readonly #clock: Clock;
  readonly #pulls: PullContext;
  readonly #flights: SingleFlight<OpenedImage> = new SingleFlight();
  readonly #unpacks: SingleFlight<string> = new SingleFlight();
  readonly #catalogue: ImageCatalogue;
  readonly #holds: ImageHolds;
  #snapshotter: Promise<string> | undefined;

  constructor(options: ContainerdImageStoreOptions) {
    this.#options = options;
    this.#platform = options.platform ?? hostPlatform();
    this.#clock = options.clock ?? systemClock;
    this.containerd = new Containerd(options);
    this.#catalogue = new ImageCatalogue(this.containerd, this.#platform);
    this.#holds = new ImageHolds(this.containerd);
    this.#pulls = {
      containerd: this.containerd,
      registry: new RegistryClient(options.registry),
      clock: this.#clock,
      entropy: options.entropy ?? systemEntropy,
      transfers: new Semaphore(options.transfersMax ?? 6),
      attempts: options.pullAttempts ?? 4,
    };
  }

  close(): void {
    this.containerd.close();
  }

  ensure(
    reference: string,
    owner: string,
    options: ImageCallOptions = {},
  ): Promise<Result<ResolvedImage, PlatformError>> {
    return attempt(async () => {
      const { name } = parseReference(reference);
      const snapshotter = await this.snapshotter();
      for (let round = 1; ; round++) {
        const { image, chainId } = await this.#ready(name, snapshotter, options);
        await this.#holds.take(owner, image, `snapshots/${snapshotter}`, chainId, options);
        // Someone may have removed the image before we held it.
        const [tree, content] = await Promise.all([
          this.containerd.snapshots(snapshotter).exists(chainId, options),
          this.containerd.content.info(image.manifest.config.digest, options),
        ]);
        if (tree && content !== undefined) {
          return { reference: name, digest: image.descriptor.digest, chainId, labels: image.config.labels };
        }
        if (round === 3) {
          throw new PlatformError("IMAGE_NOT_FOUND", `${name} is removed again and again while it is taken into use`);
        }
      }
    });
  }

  release(owner: string, options?: ImageCallOptions): Promise<Result<void, PlatformError>> {
    return attempt(() => this.#holds.end(owner, options));
  }

  holders(options?: ImageCallOptions): Promise<Result<readonly string[], PlatformError>> {
    return attempt(() => this.#holds.owners(options));
  }

  list(options?: ImageCallOptions): Promise<Result<readonly ImageInfo[], PlatformError>> {
    return attempt(async () => {
      const records = await this.containerd.images(options);
      const infos = await Promise.all(records.map((record) => this.#catalogue.describe(record, options)));
      return infos.sort((a, b) => (a.reference < b.reference ? -1 : 1));
    });
  }

  inspect(reference: string, options?: ImageCallOptions): Promise<Result<ImageInfo, PlatformError>> {
    return attempt(async () => await this.#catalogue.describe(await this.#record(reference, options), options));
  }

  pull(
    reference: string,
    options: ImageCallOptions & { readonly onProgress?: (progress: PullProgress) => void } = {},
  ): Promise<Result<ImageInfo, PlatformError>> {
    return attempt(async () => {
      const { name } = parseReference(reference);
      const { onProgress } = options;
      const listener =
        onProgress === undefined
          ? undefined
          : (doneBytes: number, totalBytes: number): void => onProgress({ reference: name, doneBytes, totalBytes });
      await this.#pullOnce(name, listener, options);
      return await this.#catalogue.describe(await this.#record(name, options), options);
    });
  }

  import(
    archive: AsyncIterable<Uint8Array>,
    options: ImageCallOptions & { readonly reference?: string } = {},
  ): Promise<Result<readonly ImageInfo[], PlatformError>> {
    return attempt(() =>
      this.#underLease(options.signal, async (lease) => {
        if (options.reference !== undefined) parseReference(options.reference);
        const call = { lease, signal: options.signal };
        const read = await readArchive(archive, (blob) => this.containerd.content.write(blob, call), {
          ...this.#options.archive,
          ref: lease,
          signal: options.signal,
        });
        const wanted = options.reference === undefined ? {} : { reference: options.reference };
        const images = await importImages(this.containerd, read, { ...call, ...wanted, platform: this.#platform });
        for (const { name, target } of images) {
          const opened = await openImage(this.containerd, name, target, this.#platform, call);
          await unpack(this.containerd, opened, await this.snapshotter(), { ...call, lease });
        }
        for (const { name, target } of images) await this.containerd.putImage(name, target, call);
        return await Promise.all(
          images.map(async ({ name }) => this.#catalogue.describe(await this.#record(name, options), options)),
        );
      }),
    );
  }

  remove(reference: string, options?: ImageCallOptions): Promise<Result<void, PlatformError>> {
    return attempt(async () => {
      const { name } = parseReference(reference);
      const users = this.#options.usersOf?.(name) ?? [];
      if (users.length > 0) {
        const more = users.length > 10 ? ", …" : "";
        throw new PlatformError("IMAGE_IN_USE", `${name} is used by ${users.slice(0, 10).join(", ")}${more}`);
      }
      if (await this.containerd.removeImage(name, options)) return;
      throw new PlatformError("IMAGE_NOT_FOUND", `${name} is not on this host`);
    });
  }

  withTree<T>(
    image: ResolvedImage,
    work: (tree: ImageTree) => Promise<T>,
    options: ImageCallOptions = {},
  ): Promise<Result<T, PlatformError>> {
    return attempt(() =>
      this.#underLease(options.signal, async (lease) => {
        const snapshots = this.containerd.snapshots(await this.snapshotter());
        const key = lease;
        const mounts = await snapshots.view({ key, parent: image.chainId }, { lease, signal: options.signal });
        try {
          return await work({ mounts });
        } finally {
          await snapshots.remove(key).catch(() => undefined);
        }
      }),
    );
  }

  ping(options?: ImageCallOptions): Promise<Result<{ readonly version: string }, PlatformError>> {
    return attempt(async () => ({ version: await this.containerd.version(options) }));
  }

  /** Unpacks an image into another snapshotter as well (block stores on containerd's snapshotters), held for `owner`. */
  unpackInto(
    image: ResolvedImage,
    snapshotter: string,
    owner: string,
    options: ImageCallOptions = {},
  ): Promise<Result<string, PlatformError>> {
    return attempt(async () => {
      const target = { mediaType: "", digest: image.digest, sizeBytes: 0 };
      const opened = await openImage(this.containerd, image.reference, target, this.#platform, options);
      const chainId = await this.#unpackOnce(opened, snapshotter, options);
      await this.#holds.take(owner, opened, `snapshots/${snapshotter}`, chainId, options);
      return chainId;
    });
  }

  /** The snapshotter for file trees: as configured, else overlayfs, else native. */
  snapshotter(): Promise<string> {
    this.#snapshotter ??= this.#chooseSnapshotter().catch((error: unknown) => {
      this.#snapshotter = undefined;
      throw error;
    });
    return this.#snapshotter;
  }

  async #chooseSnapshotter(): Promise<string> {
    await this.containerd.ensureNamespace();
    if (this.#options.snapshotter !== undefined) return this.#options.snapshotter;
    return (await this.containerd.snapshots("overlayfs").available()) ? "overlayfs" : "native";
  }

  /** The image, opened and unpacked: as it is on this host, or pulled. What is damaged here is pulled anew, where that is possible. */
  async #ready(
    name: string,
    snapshotter: string,
    options: ImageCallOptions,
  ): Promise<{ image: OpenedImage; chainId: string }> {
    let damage: unknown;
    try {
      const present = await this.#present(name, options);
      if (present !== undefined) {
        return { image: present, chainId: await this.#unpackOnce(present, snapshotter, options) };
      }
    } catch (error) {
      if (!(error instanceof PlatformError) || error.code !== "IMAGE_CORRUPT") throw error;
      damage = error;
    }
    try {
      const image = await this.#pullOnce(name, undefined, options);
      return { image, chainId: await this.#unpackOnce(image, snapshotter, options) };
    } catch (error) {
      throw damage ?? error;
    }
  }

  async #present(name: string, options: ImageCallOptions): Promise<OpenedImage | undefined> {
    const record = await this.containerd.image(name, options);
    return record === undefined ? undefined : await this.#catalogue.open(record, options);
  }

  async #record(reference: string, options: ImageCallOptions | undefined): Promise<ImageRecord> {
    const { name } = parseReference(reference);
    const record = await this.containerd.image(name, options);
    if (record === undefined) throw new PlatformError("IMAGE_NOT_FOUND", `${name} is not on this host`);
    return record;
  }

  async #pullOnce(
    name: string,
    onProgress: ((done: number, total: number) => void) | undefined,
    options: ImageCallOptions,
  ): Promise<OpenedImage> {
    return await this.#flights.run(
      name,
      (signal) =>
        this.#underLease(signal, async (lease) => {
          const call = { lease, signal, platform: this.#platform, ...(onProgress === undefined ? {} : { onProgress }) };
          const image = await pull(this.#pulls, parseReference(name), call);
          await unpack(this.containerd, image, await this.snapshotter(), call);
          await this.containerd.putImage(name, image.target, { signal });
          return image;
        }),
      options.signal,
    );
  }

  async #unpackOnce(image: OpenedImage, snapshotter: string, options: ImageCallOptions): Promise<string> {
    return await this.#unpacks.run(
      `${snapshotter} ${image.manifest.config.digest}`,
      async (signal) => {
        const top = this.#catalogue.chainIdOf(image);
        if (await this.containerd.snapshots(snapshotter).exists(top, { signal })) return top;
        return await this.#underLease(signal, (lease) =>
          unpack(this.containerd, image, snapshotter, { lease, signal }),
        );
      },
      options.signal,
    );
  }

  /** On success garbage waits for containerd's own rounds; on failure it is collected at once, so that nothing half-made stays. */
  async #underLease<T>(signal: AbortSignal | undefined, work: (lease: string) => Promise<T>): Promise<T> {
    signal?.throwIfAborted();
    const lease = `liquidmetal-work-${randomUUID()}`;
    await this.snapshotter();
    await this.containerd.leases.ensure(
      lease,
      { "containerd.io/gc.expire": new Date(this.#clock.nowMs() + dayMs).toISOString() },
      { signal },
    );
    let failed = true;
    try {
      const value = await work(lease);
      failed = false;
      return value;
    } finally {
      // Its expiry covers the case that containerd is gone by now.
      await this.containerd.leases.remove(lease, failed).catch(() => undefined);
    }
  }
}
