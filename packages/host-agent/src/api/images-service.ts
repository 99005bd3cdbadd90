/** Images of the host: list, inspect, pull with progress, import with backpressure, remove. */
import { create } from "@bufbuild/protobuf";
import {
  type Images,
  type ImportImageRequest,
  ImportImageResponseSchema,
  ListImagesResponseSchema,
  type PullImageResponse,
  PullImageResponseSchema,
  RemoveImageResponseSchema,
  sanitiseImage,
} from "@liquidmetal/api";
import type { ServiceHandlers } from "@liquidmetal/api/server";
import { PlatformError } from "@liquidmetal/foundation";
import { type ImageStore, imageReferenceProblem, type PullProgress } from "@liquidmetal/microvm";
import { type ApiContext, orThrow } from "./api-context.ts";
import { imageToWire } from "./host-facts-to-wire.ts";

export function imagesService({ images }: ApiContext): ServiceHandlers<typeof Images> {
  return {
    listImages: async (_request, { signal }) =>
      create(ListImagesResponseSchema, { images: orThrow(await images.list({ signal })).map(imageToWire) }),
    inspectImage: async ({ reference }, { signal }) =>
      imageToWire(orThrow(await images.inspect(checked(reference), { signal }))),
    pullImage: ({ reference }, { signal }) => pull(images, checked(reference), signal),
    importImage: async (requests, { signal }) => {
      const iterator = requests[Symbol.asyncIterator]();
      const first = await iterator.next();
      if (first.done === true) throw new PlatformError("REQUEST_INVALID", "invalid request: nothing was sent");
      const { reference } = first.value;
      const imported = await images.import(archive(first.value, iterator), {
        signal,
        ...(reference ? { reference: checked(reference) } : {}),
      });
      return create(ImportImageResponseSchema, { images: orThrow(imported).map(imageToWire) });
    },
    removeImage: async ({ reference }, { signal }) => {
      orThrow(await images.remove(checked(reference), { signal }));
      return create(RemoveImageResponseSchema);
    },
  };
}

/** Progress as it comes; a client that reads slowly misses steps in between, never the end. */
async function* pull(images: ImageStore, reference: string, signal: AbortSignal): AsyncGenerator<PullImageResponse> {
  let latest: PullProgress | undefined;
  let wake: (() => void) | undefined;
  let finished = false;
  const notify = (): void => {
    wake?.();
    wake = undefined;
  };
  const onProgress = (progress: PullProgress): void => {
    latest = progress;
    notify();
  };
  const pulling = images.pull(reference, { signal, onProgress }).finally(() => {
    finished = true;
    notify();
  });
  pulling.catch(() => undefined);
  while (!finished) {
    if (latest === undefined) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
      continue;
    }
    const { doneBytes, totalBytes } = latest;
    latest = undefined;
    yield create(PullImageResponseSchema, { doneBytes: BigInt(doneBytes), totalBytes: BigInt(totalBytes) });
  }
  const image = orThrow(await pulling);
  const sizeBytes = BigInt(image.sizeBytes);
  yield create(PullImageResponseSchema, { doneBytes: sizeBytes, totalBytes: sizeBytes, image: imageToWire(image) });
}

async function* archive(
  first: ImportImageRequest,
  rest: AsyncIterator<ImportImageRequest>,
): AsyncGenerator<Uint8Array> {
  if (first.data.length > 0) yield first.data;
  for (;;) {
    const next = await rest.next();
    if (next.done === true) return;
    if (next.value.data.length > 0) yield next.value.data;
  }
}

function checked(reference: string): string {
  const sanitised = sanitiseImage(reference);
  const problem = imageReferenceProblem(sanitised);
  if (problem !== undefined) throw new PlatformError("IMAGE_REFERENCE_INVALID", `reference: ${problem}`);
  return sanitised;
}
