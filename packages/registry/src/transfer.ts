/** What pushing and pulling of whole images have in common: where contents come from and go to, how far the work is, how much goes on at once. */
import { type Clock, type Entropy, Semaphore, systemClock, systemEntropy } from "@liquidmetal/foundation";
import type { Descriptor } from "./image-documents.ts";
import type { RetryOptions } from "./retry.ts";

/** Blobs by their descriptors: an OCI layout, a content store. */
export interface ContentSource {
  /** The whole of a document, checked against size and digest. */
  read(descriptor: Descriptor): Promise<Uint8Array>;
  /** From byte `offset` on. */
  open(descriptor: Descriptor, offset: number): AsyncIterable<Uint8Array>;
}

export interface ContentSink {
  /** Bytes of this blob that are there already, from its beginning; all of them = it is there, whole and checked. */
  has(descriptor: Descriptor): Promise<number>;
  /** Takes the bytes from `offset` on. It checks size and digest (IMAGE_CORRUPT), and keeps what came when the source fails. */
  write(descriptor: Descriptor, offset: number, content: AsyncIterable<Uint8Array>): Promise<void>;
}

export interface TransferOptions {
  /** Blobs at once. Default 3. */
  readonly concurrency?: number;
  /** At one blob or document, the first one too. Default 5. */
  readonly attempts?: number;
  readonly onProgress?: ((progress: TransferProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Default: the system's. */
  readonly clock?: Clock;
  readonly entropy?: Entropy;
}

export interface TransferProgress {
  readonly doneBytes: number;
  readonly totalBytes: number;
  /** Blobs that were on the other side already, or were mounted there. */
  readonly presentBlobs: number;
}

export const retriesOf = (options: TransferOptions, signal: AbortSignal | undefined): RetryOptions => ({
  clock: options.clock ?? systemClock,
  entropy: options.entropy ?? systemEntropy,
  attempts: options.attempts ?? 5,
  signal,
});

/** Bytes done of all blobs, each counted once. */
export class Progress {
  readonly #done: Map<string, number> = new Map();
  readonly #totalBytes: number;
  readonly #listener: TransferOptions["onProgress"];
  #presentBlobs = 0;

  constructor(blobs: readonly Descriptor[], listener: TransferOptions["onProgress"]) {
    this.#totalBytes = blobs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    this.#listener = listener;
  }

  report({ digest }: Descriptor, doneBytes: number): void {
    this.#done.set(digest, doneBytes);
    this.#tell();
  }

  present(blob: Descriptor): void {
    this.#presentBlobs += 1;
    this.report(blob, blob.sizeBytes);
  }

  #tell(): void {
    const doneBytes = this.#done.values().reduce((sum, size) => sum + size, 0);
    this.#listener?.({ doneBytes, totalBytes: this.#totalBytes, presentBlobs: this.#presentBlobs });
  }
}

/** Runs `work` for each, some at once. The first failure stops the others, and is reported once all have stopped. */
export async function forEachBlob(
  blobs: readonly Descriptor[],
  options: TransferOptions,
  work: (blob: Descriptor, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const controller = new AbortController();
  const signal =
    options.signal === undefined ? controller.signal : AbortSignal.any([options.signal, controller.signal]);
  const permits = new Semaphore(options.concurrency ?? 3);
  await Promise.allSettled(
    blobs.map(async (blob) => {
      try {
        await permits.run(() => work(blob, signal), signal);
      } catch (error) {
        controller.abort(error);
      }
    }),
  );
  options.signal?.throwIfAborted();
  if (controller.signal.aborted) throw controller.signal.reason;
}

/** Each digest once, in the order of its first coming. */
export const unique = (blobs: readonly Descriptor[]): readonly Descriptor[] =>
  [...new Map(blobs.toReversed().map((blob) => [blob.digest, blob])).values()].reverse();
