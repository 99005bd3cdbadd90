/**
 * A whole image out of a registry into a content sink: every platform or some, with what is attached to it.
 *
 * Documents are checked against their digests here, blobs by the sink. A transfer that breaks goes on where it stopped.
 */
import { PlatformError } from "@liquidmetal/foundation";
import { type Descriptor, matches, type Platform, parseStoredDocument } from "./image-documents.ts";
import type { ImageReference } from "./reference.ts";
import type { FetchedDocument, RegistryClient } from "./registry-client.ts";
import { withRetries } from "./retry.ts";
import { type ContentSink, forEachBlob, Progress, retriesOf, type TransferOptions, unique } from "./transfer.ts";

export interface FetchOptions extends TransferOptions {
  /** Only these of an index; its other entries stay names of what is elsewhere. Default: all. */
  readonly platforms?: readonly Platform[];
  /** Also what is attached to each manifest. Default false. */
  readonly referrers?: boolean;
  /** Manifests and configurations, no layers: enough to describe the image. Default false. */
  readonly documentsOnly?: boolean;
}

export interface FetchedImage {
  /** What the reference names. */
  readonly target: Descriptor;
  /** Manifests that are attached, where they were asked for. */
  readonly referrers: readonly Descriptor[];
}

const depthMax = 3;
const manifestsMax = 1_000;
/** Attached documents up to this size come with `documentsOnly`, bytes. */
const attachedMaxBytes = 64 * 1024 * 1024;

/** Errors: IMAGE_NOT_FOUND, IMAGE_UNAUTHORIZED, IMAGE_PULL_FAILED, IMAGE_CORRUPT, IMAGE_WRONG_PLATFORM (none of the platforms). */
export async function fetchImage(
  client: RegistryClient,
  reference: ImageReference,
  sink: ContentSink,
  options: FetchOptions = {},
): Promise<FetchedImage> {
  const walk = new Walk(client, reference, options);
  const target = await walk.document(undefined);
  if (walk.images.length === 0) {
    const wanted = (options.platforms ?? []).map(({ os, architecture }) => `${os}/${architecture}`).join(", ");
    throw new PlatformError("IMAGE_WRONG_PLATFORM", `${reference.name} has nothing for ${wanted}`);
  }
  const referrers = options.referrers === true ? await walk.attached() : [];
  const blobs = unique(walk.blobs);
  const progress = new Progress(blobs, options.onProgress);
  await forEachBlob(blobs, options, (blob, signal) =>
    withRetries(retriesOf(options, signal), async () => {
      const offset = await sink.has(blob);
      if (offset >= blob.sizeBytes) return progress.present(blob);
      const content = await client.blob(reference, blob.digest, offset, { signal });
      await sink.write(
        blob,
        offset,
        counted(content, (bytes) => progress.report(blob, offset + bytes)),
      );
      progress.report(blob, blob.sizeBytes);
    }),
  );
  // Last, so that a document's presence says that all below it is there.
  for (const { descriptor, bytes } of walk.documents.toReversed()) {
    if ((await sink.has(descriptor)) < descriptor.sizeBytes) await sink.write(descriptor, 0, once(bytes));
  }
  return { target, referrers };
}

class Walk {
  readonly documents: FetchedDocument[] = [];
  readonly blobs: Descriptor[] = [];
  /** Manifests that are no index. */
  readonly images: Descriptor[] = [];
  readonly #client: RegistryClient;
  readonly #reference: ImageReference;
  readonly #options: FetchOptions;

  constructor(client: RegistryClient, reference: ImageReference, options: FetchOptions) {
    this.#client = client;
    this.#reference = reference;
    this.#options = options;
  }

  async document(wanted: Descriptor | undefined, depth = 0): Promise<Descriptor> {
    const { signal, platforms, documentsOnly } = this.#options;
    const fetched = await withRetries(retriesOf(this.#options, signal), () =>
      this.#client.manifest(this.#reference, wanted?.digest, { signal }),
    );
    if (this.documents.some(({ descriptor }) => descriptor.digest === fetched.descriptor.digest))
      return fetched.descriptor;
    this.documents.push(fetched);
    if (depth > depthMax || this.documents.length > manifestsMax)
      throw corrupt(this.#reference, "its indexes have no end");
    const { kind, manifests, blobs } = parseStoredDocument(fetched.bytes, this.#reference.name);
    if (kind === "manifest") {
      this.images.push(fetched.descriptor);
      this.blobs.push(...(documentsOnly === true ? blobs.slice(0, 1) : blobs));
    }
    for (const one of manifests) {
      const platform = one.platform;
      const chosen =
        platforms === undefined || platform === undefined || platforms.some((want) => matches(want, platform));
      if (chosen) await this.document(one, depth + 1);
    }
    return fetched.descriptor;
  }

  async attached(): Promise<readonly Descriptor[]> {
    const { signal } = this.#options;
    const found: Descriptor[] = [];
    for (const {
      descriptor: { digest },
    } of [...this.documents]) {
      const listed = await withRetries(retriesOf(this.#options, signal), () =>
        this.#client.referrers(this.#reference, digest, { signal }),
      );
      for (const one of listed) {
        const fetched = await withRetries(retriesOf(this.#options, signal), () =>
          this.#client.manifest(this.#reference, one.digest, { signal }),
        );
        const { subject, blobs } = parseStoredDocument(fetched.bytes, one.digest);
        // The list is the registry's word; the manifest's own counts.
        if (subject?.digest !== digest) throw corrupt(this.#reference, `${one.digest} is not attached to ${digest}`);
        if (blobs.some(({ sizeBytes }) => sizeBytes > attachedMaxBytes))
          throw corrupt(this.#reference, `${one.digest} is too large`);
        this.documents.push(fetched);
        this.blobs.push(...blobs);
        found.push({ ...one, ...fetched.descriptor });
      }
    }
    return found;
  }
}

async function* counted(content: AsyncIterable<Uint8Array>, tell: (bytes: number) => void): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const chunk of content) {
    bytes += chunk.length;
    yield chunk;
    tell(bytes);
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

const corrupt = (reference: ImageReference, why: string): PlatformError =>
  new PlatformError("IMAGE_CORRUPT", `${reference.name}: ${why}`);
