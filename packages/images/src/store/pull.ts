/**
 * From a registry into containerd's content store.
 *
 * Layers come several at once. A transfer that breaks is resumed where it stopped; the store itself checks every digest. Everything is made under a lease,
 * so that the garbage collector never takes a half-pulled image apart, and takes all of it when the pull is given up.
 */
import { type Clock, type Entropy, PlatformError, type Semaphore } from "@liquidmetal/foundation";
import {
  choosePlatform,
  type Descriptor,
  documentMaxBytes,
  type FetchedDocument,
  type ImageReference,
  type Platform,
  parseConfig,
  parseDocument,
  type RegistryClient,
  withRetries,
} from "@liquidmetal/registry";
import type { Containerd } from "../containerd/containerd.ts";
import { isIngestLocked } from "../containerd/failure.ts";
import { checkPlatform, collectorLabels, indexDepthMax, type OpenedImage } from "./opened-image.ts";

export interface PullContext {
  readonly containerd: Containerd;
  readonly registry: RegistryClient;
  readonly clock: Clock;
  readonly entropy: Entropy;
  /** Transfers at once, over all pulls. */
  readonly transfers: Semaphore;
  /** Attempts at one blob, with back-off between them. */
  readonly attempts: number;
}

export interface PullOptions {
  readonly lease: string;
  readonly platform: Platform;
  readonly onProgress?: (doneBytes: number, totalBytes: number) => void;
  readonly signal?: AbortSignal | undefined;
}

/** Pulls what this platform needs. No image record is made: that is for the caller, once all is well. */
export async function pull(
  context: PullContext,
  reference: ImageReference,
  options: PullOptions,
): Promise<OpenedImage> {
  const documents: FetchedDocument[] = [];
  let fetched = await retrying(context, options, () => context.registry.manifest(reference, undefined, options));
  documents.push(fetched);
  let document = parseDocument(fetched.bytes, reference.name);
  for (let depth = 0; document.kind === "index"; depth++) {
    if (depth >= indexDepthMax) throw new PlatformError("IMAGE_CORRUPT", `${reference.name}: indexes within indexes`);
    const { digest } = choosePlatform(document, options.platform, reference.name);
    fetched = await retrying(context, options, () => context.registry.manifest(reference, digest, options));
    documents.push(fetched);
    document = parseDocument(fetched.bytes, reference.name);
  }
  const progress = new Progress([document.config, ...document.layers], options.onProgress);
  // The configuration first: it says whether the layers are worth their bytes.
  await transfer(context, reference, document.config, {}, progress, options);
  const config = parseConfig(
    await context.containerd.content.read(document.config.digest, documentMaxBytes, options),
    document.config.digest,
  );
  checkPlatform(reference.name, options.platform, config);
  if (config.diffIds.length !== document.layers.length) {
    throw new PlatformError(
      "IMAGE_CORRUPT",
      `${reference.name}: its configuration and manifest disagree on the number of layers`,
    );
  }
  await transferAll(context, reference, document.layers, progress, options);
  for (const { descriptor, bytes } of documents.toReversed()) {
    await context.containerd.content.write(
      {
        ref: `liquidmetal-${descriptor.digest}`,
        digest: descriptor.digest,
        sizeBytes: descriptor.sizeBytes,
        labels: collectorLabels(parseDocument(bytes, reference.name)),
        open: async function* (offset) {
          yield bytes.subarray(offset);
        },
      },
      options,
    );
  }
  const target = documents[0]?.descriptor ?? fetched.descriptor;
  return { name: reference.name, target, descriptor: fetched.descriptor, manifest: document, config };
}

/** The first failure stops the others, and is reported once all have stopped. */
async function transferAll(
  context: PullContext,
  reference: ImageReference,
  layers: readonly Descriptor[],
  progress: Progress,
  options: PullOptions,
): Promise<void> {
  const controller = new AbortController();
  const signal =
    options.signal === undefined ? controller.signal : AbortSignal.any([options.signal, controller.signal]);
  const unique = [...new Map(layers.map((layer) => [layer.digest, layer])).values()];
  const labels = { [`containerd.io/distribution.source.${reference.registry}`]: reference.repository };
  const outcomes = await Promise.allSettled(
    unique.map(async (layer) => {
      try {
        await context.transfers.run(
          () => transfer(context, reference, layer, labels, progress, { ...options, signal }),
          signal,
        );
      } catch (error) {
        controller.abort(error);
        throw error;
      }
    }),
  );
  options.signal?.throwIfAborted();
  if (controller.signal.aborted) throw controller.signal.reason;
  for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
}

async function transfer(
  context: PullContext,
  reference: ImageReference,
  blob: Descriptor,
  labels: Readonly<Record<string, string>>,
  progress: Progress,
  options: PullOptions,
): Promise<void> {
  await retrying(context, options, () =>
    context.containerd.content.write(
      {
        ref: `liquidmetal-${blob.digest}`,
        digest: blob.digest,
        sizeBytes: blob.sizeBytes,
        labels,
        open: (offset) => context.registry.blob(reference, blob.digest, offset, options),
        onProgress: (written) => progress.report(blob.digest, written),
      },
      options,
    ),
  );
  progress.report(blob.digest, blob.sizeBytes);
}

function retrying<T>(context: PullContext, options: PullOptions, work: () => Promise<T>): Promise<T> {
  const { clock, entropy, attempts } = context;
  return withRetries({ clock, entropy, attempts, alsoWorth: isIngestLocked, signal: options.signal }, work);
}

class Progress {
  readonly #done: Map<string, number> = new Map();
  readonly #totalBytes: number;
  readonly #listener: PullOptions["onProgress"];

  constructor(blobs: readonly Descriptor[], listener: PullOptions["onProgress"]) {
    this.#totalBytes = [...new Map(blobs.map((blob) => [blob.digest, blob.sizeBytes])).values()].reduce(
      (sum, size) => sum + size,
      0,
    );
    this.#listener = listener;
  }

  report(digest: string, doneBytes: number): void {
    this.#done.set(digest, doneBytes);
    this.#listener?.(
      this.#done.values().reduce((sum, size) => sum + size, 0),
      this.#totalBytes,
    );
  }
}
