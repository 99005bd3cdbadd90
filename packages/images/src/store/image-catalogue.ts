/** What is known of the images on this host. Documents never change under their digest, so what was read once is remembered (up to a bound). */
import { PlatformError } from "@liquidmetal/foundation";
import type { ImageInfo } from "@liquidmetal/microvm";
import { chainIds, documentMaxBytes, type Platform, parseDocument, platformText } from "@liquidmetal/registry";
import type { ContainerdCallOptions } from "../containerd/connection.ts";
import type { Containerd, ImageRecord } from "../containerd/containerd.ts";
import { type OpenedImage, openImage } from "./opened-image.ts";

const rememberedMax = 512;

export class ImageCatalogue {
  readonly #containerd: Containerd;
  readonly #platform: Platform;
  readonly #opened: Map<string, OpenedImage> = new Map();

  constructor(containerd: Containerd, platform: Platform) {
    this.#containerd = containerd;
    this.#platform = platform;
  }

  /** Opens an image of this host, from memory if it can. */
  async open(record: ImageRecord, options?: ContainerdCallOptions): Promise<OpenedImage> {
    const { digest } = record.target;
    const known = this.#opened.get(digest);
    if (known !== undefined) return { ...known, name: record.name };
    const opened = await openImage(this.#containerd, record.name, record.target, this.#platform, options);
    if (this.#opened.size >= rememberedMax) this.#opened.clear();
    this.#opened.set(digest, opened);
    return opened;
  }

  chainIdOf(image: OpenedImage): string {
    const top = chainIds(image.config.diffIds).at(-1);
    if (top === undefined) throw new PlatformError("IMAGE_CORRUPT", `${image.name} has no layers`);
    return top;
  }

  /** For people. An image that is not for this platform, or is damaged, is described as far as it can be. */
  async describe(record: ImageRecord, options?: ContainerdCallOptions): Promise<ImageInfo> {
    const base = {
      reference: record.name,
      digest: record.target.digest,
      mediaType: record.target.mediaType,
      createdAtMs: record.createdAtMs,
    };
    try {
      const opened = await this.open(record, options);
      const blobs = [opened.target, opened.descriptor, opened.manifest.config, ...opened.manifest.layers];
      const sizes = new Map(blobs.map((blob) => [blob.digest, blob.sizeBytes]));
      return {
        ...base,
        platforms: await this.#platforms(opened, options),
        sizeBytes: sizes.values().reduce((sum, size) => sum + size, 0),
        labels: { ...opened.manifest.annotations, ...opened.config.labels },
      };
    } catch (error) {
      if (error instanceof PlatformError && (error.code === "IMAGE_CORRUPT" || error.code === "IMAGE_WRONG_PLATFORM")) {
        return { ...base, platforms: [], sizeBytes: record.target.sizeBytes, labels: {} };
      }
      throw error;
    }
  }

  async #platforms(opened: OpenedImage, options: ContainerdCallOptions | undefined): Promise<readonly string[]> {
    const own = platformText(opened.config.platform ?? this.#platform);
    if (opened.descriptor.digest === opened.target.digest) return [own];
    const document = parseDocument(
      await this.#containerd.content.read(opened.target.digest, documentMaxBytes, options),
      opened.name,
    );
    if (document.kind !== "index") return [own];
    const named = document.manifests.flatMap(({ platform }) =>
      platform === undefined || platform.os === "unknown" ? [] : [platformText(platform)],
    );
    return named.length === 0 ? [own] : named;
  }
}
