/** A fake image store for wire tests: images by reference in memory; imports count bytes and keep a bound on what they hold. */
import { err, ok, PlatformError, type Result } from "@liquidmetal/foundation";
import type { ImageInfo, ImageStore, ImageTree, PullProgress, ResolvedImage } from "@liquidmetal/microvm";

export class FakeImageStore implements ImageStore {
  readonly images: Map<string, ImageInfo> = new Map();
  /** Bytes taken from the archive of the import in progress. */
  importedBytes = 0;
  /** While set, an import takes no more bytes until it has resolved. */
  holdImport: Promise<void> | undefined;

  async ensure(reference: string): Promise<Result<ResolvedImage, PlatformError>> {
    return ok({ reference, digest: "sha256:0", chainId: "sha256:1", labels: {} });
  }

  async release(): Promise<Result<void, PlatformError>> {
    return ok();
  }

  async holders(): Promise<Result<readonly string[], PlatformError>> {
    return ok([]);
  }

  async list(): Promise<Result<readonly ImageInfo[], PlatformError>> {
    return ok([...this.images.values()]);
  }

  async inspect(reference: string): Promise<Result<ImageInfo, PlatformError>> {
    const image = this.images.get(reference);
    return image === undefined ? err(new PlatformError("IMAGE_NOT_FOUND", `image ${reference} not found`)) : ok(image);
  }

  async pull(
    reference: string,
    options: { readonly onProgress?: (progress: PullProgress) => void } = {},
  ): Promise<Result<ImageInfo, PlatformError>> {
    for (const doneBytes of [10, 50, 100]) {
      options.onProgress?.({ reference, doneBytes, totalBytes: 100 });
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    return ok(this.put(reference, 100));
  }

  async import(
    archive: AsyncIterable<Uint8Array>,
    options: { readonly reference?: string } = {},
  ): Promise<Result<readonly ImageInfo[], PlatformError>> {
    this.importedBytes = 0;
    for await (const chunk of archive) {
      this.importedBytes += chunk.length;
      await this.holdImport;
    }
    return ok([this.put(options.reference ?? "imported:latest", this.importedBytes)]);
  }

  async remove(reference: string): Promise<Result<void, PlatformError>> {
    this.images.delete(reference);
    return ok();
  }

  async withTree<T>(_image: ResolvedImage, work: (tree: ImageTree) => Promise<T>): Promise<Result<T, PlatformError>> {
    return ok(await work({ mounts: [] }));
  }

  async ping(): Promise<Result<{ readonly version: string }, PlatformError>> {
    return ok({ version: "fake" });
  }

  put(reference: string, sizeBytes: number): ImageInfo {
    const image: ImageInfo = {
      reference,
      digest: `sha256:${"0".repeat(64)}`,
      mediaType: "application/vnd.oci.image.manifest.v1+json",
      platforms: ["linux/amd64"],
      sizeBytes,
      createdAtMs: 1_790_000_000_000,
      labels: {},
    };
    this.images.set(reference, image);
    return image;
  }
}
