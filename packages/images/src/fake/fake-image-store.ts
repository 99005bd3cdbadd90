/**
 * An image store without containerd: images are what a test says there is. For tests and simulations of other rooms.
 *
 * `registry` says what could be pulled; pulls and holds are kept in memory.
 */
import { createHash } from "node:crypto";
import { attempt, PlatformError, type Result } from "@liquidmetal/foundation";
import type {
  FileStore,
  ImageCallOptions,
  ImageInfo,
  ImageStore,
  ImageTree,
  MadeFile,
  PullProgress,
  ResolvedImage,
} from "@liquidmetal/microvm";
import { parseReference } from "@liquidmetal/registry";

export interface FakeImage {
  readonly reference: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** Paths of files in it. */
  readonly files?: readonly string[];
}

export class FakeImageStore implements ImageStore {
  /** Completed references pulled, in order. */
  readonly pulls: string[] = [];
  /** While true every call fails with CONTAINERD_UNAVAILABLE. */
  unavailable = false;
  readonly #registry: Map<string, FakeImage> = new Map();
  readonly #images: Map<string, FakeImage> = new Map();
  readonly #holds: Map<string, Set<string>> = new Map();
  readonly #flights: Map<string, Promise<void>> = new Map();

  constructor(registry: readonly FakeImage[] = []) {
    for (const image of registry) this.#registry.set(parseReference(image.reference).name, image);
  }

  ensure(
    reference: string,
    owner: string,
    options: ImageCallOptions = {},
  ): Promise<Result<ResolvedImage, PlatformError>> {
    return this.#call(options, async () => {
      const { name } = parseReference(reference);
      if (!this.#images.has(name)) await this.#pull(name);
      const holds = this.#holds.get(owner) ?? new Set();
      this.#holds.set(owner, holds.add(name));
      return resolved(name, this.#images.get(name));
    });
  }

  release(owner: string, options: ImageCallOptions = {}): Promise<Result<void, PlatformError>> {
    return this.#call(options, async () => {
      this.#holds.delete(owner);
    });
  }

  holders(options: ImageCallOptions = {}): Promise<Result<readonly string[], PlatformError>> {
    return this.#call(options, async () => [...this.#holds.keys()].sort());
  }

  list(options: ImageCallOptions = {}): Promise<Result<readonly ImageInfo[], PlatformError>> {
    return this.#call(options, async () => [...this.#images].map(([name, image]) => describe(name, image)));
  }

  inspect(reference: string, options: ImageCallOptions = {}): Promise<Result<ImageInfo, PlatformError>> {
    return this.#call(options, async () => {
      const { name } = parseReference(reference);
      const image = this.#images.get(name);
      if (image === undefined) throw new PlatformError("IMAGE_NOT_FOUND", `${name} is not on this host`);
      return describe(name, image);
    });
  }

  pull(
    reference: string,
    options: ImageCallOptions & { readonly onProgress?: (progress: PullProgress) => void } = {},
  ): Promise<Result<ImageInfo, PlatformError>> {
    return this.#call(options, async () => {
      const { name } = parseReference(reference);
      await this.#pull(name);
      options.onProgress?.({ reference: name, doneBytes: 1, totalBytes: 1 });
      return describe(name, this.#images.get(name));
    });
  }

  /** Takes the archive's bytes for nothing but their digest; the image is the reference given. */
  import(
    archive: AsyncIterable<Uint8Array>,
    options: ImageCallOptions & { readonly reference?: string } = {},
  ): Promise<Result<readonly ImageInfo[], PlatformError>> {
    return this.#call(options, async () => {
      let bytes = 0;
      for await (const piece of archive) bytes += piece.length;
      if (bytes === 0) throw new PlatformError("IMAGE_CORRUPT", "the archive is empty");
      if (options.reference === undefined)
        throw new PlatformError("IMAGE_REFERENCE_INVALID", "the archive does not name its image");
      const { name } = parseReference(options.reference);
      this.#images.set(name, { reference: name });
      return [describe(name, undefined)];
    });
  }

  remove(reference: string, options: ImageCallOptions = {}): Promise<Result<void, PlatformError>> {
    return this.#call(options, async () => {
      const { name } = parseReference(reference);
      if (!this.#images.delete(name)) throw new PlatformError("IMAGE_NOT_FOUND", `${name} is not on this host`);
    });
  }

  withTree<T>(
    image: ResolvedImage,
    work: (tree: ImageTree) => Promise<T>,
    options: ImageCallOptions = {},
  ): Promise<Result<T, PlatformError>> {
    return this.#call(
      options,
      async () =>
        await work({ mounts: [{ type: "bind", source: `/fake/trees/${image.chainId}`, options: ["ro", "rbind"] }] }),
    );
  }

  ping(options: ImageCallOptions = {}): Promise<Result<{ readonly version: string }, PlatformError>> {
    return this.#call(options, async () => ({ version: "fake" }));
  }

  /** Files of an image, for the fake file store. */
  filesOf(reference: string): readonly string[] {
    return this.#images.get(parseReference(reference).name)?.files ?? [];
  }

  async #pull(name: string): Promise<void> {
    const flight = this.#flights.get(name) ?? Promise.resolve().then(() => this.#fetch(name));
    this.#flights.set(name, flight);
    await flight.finally(() => this.#flights.delete(name));
  }

  #fetch(name: string): void {
    const image = this.#registry.get(name);
    if (image === undefined) throw new PlatformError("IMAGE_NOT_FOUND", `${name} is neither here nor in its registry`);
    this.pulls.push(name);
    this.#images.set(name, image);
  }

  #call<T>(options: ImageCallOptions, work: () => Promise<T>): Promise<Result<T, PlatformError>> {
    return attempt(async () => {
      options.signal?.throwIfAborted();
      if (this.unavailable) throw new PlatformError("CONTAINERD_UNAVAILABLE", "the fake containerd is switched off");
      return await work();
    });
  }
}

/** Files out of fake images. */
export class FakeFileStore implements FileStore {
  readonly #images: FakeImageStore;

  constructor(images: FakeImageStore) {
    this.#images = images;
  }

  fetch(image: ResolvedImage, filename: string): Promise<Result<MadeFile, PlatformError>> {
    return attempt(async () => {
      const files = this.#images.filesOf(image.reference);
      if (!files.includes(filename)) {
        throw new PlatformError(
          "IMAGE_FILE_MISSING",
          `${image.reference} has no file '${filename}'; it has ${files.join(", ")}`,
        );
      }
      return { path: `/fake/files/${image.digest}/${filename}`, imageDigest: image.digest };
    });
  }

  prune(): Promise<Result<void, PlatformError>> {
    return attempt(async () => undefined);
  }
}

function digestFor(text: string): string {
  return `sha256:${createHash("sha256").update(text).digest("hex")}`;
}

function resolved(name: string, image: FakeImage | undefined): ResolvedImage {
  return { reference: name, digest: digestFor(name), chainId: digestFor(`chain ${name}`), labels: image?.labels ?? {} };
}

function describe(name: string, image: FakeImage | undefined): ImageInfo {
  return {
    reference: name,
    digest: digestFor(name),
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    platforms: ["linux/amd64"],
    sizeBytes: 1,
    createdAtMs: 0,
    labels: image?.labels ?? {},
  };
}
