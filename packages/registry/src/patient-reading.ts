/** Documents and blobs for readers that only want them: what breaks on the way is asked for again, a blob from where it stopped. */
import { PlatformError } from "@liquidmetal/foundation";
import type { ImageReference } from "./reference.ts";
import type { FetchedDocument, RegistryClient } from "./registry-client.ts";
import { withRetries } from "./retry.ts";
import { retriesOf, type TransferOptions } from "./transfer.ts";

type Options = Pick<TransferOptions, "attempts" | "clock" | "entropy" | "signal">;

/** The manifest or index that a reference, or a digest in its repository, names. */
export function readManifest(
  client: RegistryClient,
  reference: ImageReference,
  digest: string | undefined,
  options: Options = {},
): Promise<FetchedDocument> {
  const { signal } = options;
  return withRetries(retriesOf(options, signal), () => client.manifest(reference, digest, { signal }));
}

/** All bytes of a blob, once. Its digest is for the reader to check. Attempts count anew whenever some bytes have come. */
export async function* readBlob(
  client: RegistryClient,
  reference: ImageReference,
  digest: string,
  options: Options = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  const { signal } = options;
  for (let offset = 0, whole = false; !whole; ) {
    const from = offset;
    const content = await withRetries(retriesOf(options, signal), () =>
      client.blob(reference, digest, from, { signal }),
    );
    try {
      for await (const chunk of content) {
        offset += chunk.length;
        yield chunk;
      }
      whole = true;
    } catch (error) {
      signal?.throwIfAborted();
      const broke = error instanceof PlatformError && error.code === "IMAGE_PULL_FAILED" && error.retry === "backoff";
      if (!broke || offset === from) throw error;
    }
  }
}
