/**
 * A whole image into a registry: blobs first, then manifests, then indexes, the name last. A push that fails half way leaves blobs that nobody
 * refers to, and the tag as it was.
 *
 * What is attached to the image (manifests with a `subject`) comes along under its digest; a registry that does not know referrers gets the tag that
 * stands for them (distribution specification 1.1, "Pushing Manifests with Subject").
 */
import { PlatformError } from "@liquidmetal/foundation";
import { asPush } from "./blob-upload.ts";
import { type Descriptor, digestOf, mediaTypes, parseStoredDocument, type StoredDocument } from "./image-documents.ts";
import type { ImageReference } from "./reference.ts";
import { type FetchedDocument, type RegistryClient, referrersTag } from "./registry-client.ts";
import { withRetries } from "./retry.ts";
import { type ContentSource, forEachBlob, Progress, retriesOf, type TransferOptions, unique } from "./transfer.ts";

export interface PushOptions extends TransferOptions {
  /** Manifests that are attached to the image or one of its platforms. */
  readonly referrers?: readonly Descriptor[];
  /** Other repositories of the registry that may have some of the blobs already. */
  readonly mountFrom?: readonly string[];
  /** Larger blobs go in chunks of this size. Default 128 MiB. */
  readonly chunkBytes?: number;
}

const depthMax = 3;
const manifestsMax = 1_000;

interface LoadedDocument extends FetchedDocument {
  readonly document: StoredDocument;
}

/** Pushes `target` (an index or a manifest) as `reference`. IMAGE_UNAUTHORIZED, IMAGE_PUSH_FAILED, IMAGE_CORRUPT. */
export async function pushImage(
  client: RegistryClient,
  reference: ImageReference,
  source: ContentSource,
  target: Descriptor,
  options: PushOptions = {},
): Promise<void> {
  if (reference.digest !== undefined && reference.digest !== target.digest) {
    throw new PlatformError(
      "IMAGE_REFERENCE_INVALID",
      `${reference.name} names another digest than the image's, ${target.digest}`,
    );
  }
  const image = await load(source, [target]);
  const attached = await load(source, options.referrers ?? []);
  const all = unique([...image, ...attached].flatMap(({ document }) => document.blobs));
  const progress = new Progress(all, options.onProgress);
  await forEachBlob(all, options, async (blob, signal) => {
    const upload = {
      digest: blob.digest,
      sizeBytes: blob.sizeBytes,
      open: (offset: number) => source.open(blob, offset),
      mountFrom: options.mountFrom,
    };
    const retries = retriesOf(options, signal);
    const onProgress = (doneBytes: number): void => progress.report(blob, doneBytes);
    const outcome = await client.putBlob(reference, upload, { ...retries, chunkBytes: options.chunkBytes, onProgress });
    if (outcome === "uploaded") progress.report(blob, blob.sizeBytes);
    else progress.present(blob);
  });
  // What is referred to comes before what refers to it; the image itself last of its own, and its name with it.
  for (const one of image.slice(1).toReversed()) await put(client, reference, one.descriptor.digest, one, options);
  const [top] = image;
  if (top !== undefined) await put(client, reference, reference.tag ?? target.digest, top, options);
  for (const one of attached) await put(client, reference, one.descriptor.digest, one, options);
}

/** The documents below these, themselves first. */
async function load(source: ContentSource, from: readonly Descriptor[]): Promise<readonly LoadedDocument[]> {
  const loaded = new Map<string, LoadedDocument>();
  let level = from;
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > depthMax) throw new PlatformError("IMAGE_CORRUPT", "indexes within indexes");
    const next: Descriptor[] = [];
    for (const descriptor of level) {
      if (loaded.has(descriptor.digest)) continue;
      const bytes = await source.read(descriptor);
      const document = parseStoredDocument(bytes, descriptor.digest);
      loaded.set(descriptor.digest, { descriptor, bytes, document });
      next.push(...document.manifests);
    }
    if (loaded.size > manifestsMax) throw new PlatformError("IMAGE_CORRUPT", `more than ${manifestsMax} manifests`);
    level = next;
  }
  return [...loaded.values()];
}

async function put(
  client: RegistryClient,
  reference: ImageReference,
  name: string,
  one: LoadedDocument,
  options: PushOptions,
): Promise<void> {
  const retries = retriesOf(options, options.signal);
  const { subject } = await asPush(() =>
    withRetries(retries, () => client.putManifest(reference, name, one, { signal: options.signal })),
  );
  const wanted = one.document.subject;
  if (wanted === undefined || subject === wanted.digest) return;
  await asPush(() => withRetries(retries, () => addToTag(client, reference, wanted.digest, one, options)));
}

/** Registries without the referrers API: an index under a tag of the subject's digest. */
async function addToTag(
  client: RegistryClient,
  reference: ImageReference,
  subject: string,
  { descriptor, document }: LoadedDocument,
  { signal }: PushOptions,
): Promise<void> {
  const known = await client.referrers(reference, subject, { signal });
  if (known.some(({ digest }) => digest === descriptor.digest)) return;
  const { artifactType, annotations } = document;
  const manifests = [...known, { ...descriptor, artifactType, annotations }].map(rawDescriptor);
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests }));
  const index = { mediaType: mediaTypes.ociIndex, digest: digestOf(bytes), sizeBytes: bytes.length };
  await client.putManifest(reference, referrersTag(subject), { descriptor: index, bytes }, { signal });
}

function rawDescriptor({ mediaType, digest, sizeBytes, artifactType, annotations }: Descriptor): unknown {
  return {
    mediaType,
    digest,
    size: sizeBytes,
    ...(artifactType !== undefined && { artifactType }),
    ...(annotations !== undefined && { annotations }),
  };
}
