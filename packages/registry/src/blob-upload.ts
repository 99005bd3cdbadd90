/**
 * One blob to a registry: not at all when it is there, by mounting where another repository of the registry has it, else by upload.
 *
 * Small blobs go in one request, larger ones in chunks. After a broken connection the registry is asked how far it got, and the rest is sent; where it
 * does not know (distribution forgets a chunk that broke), the upload begins anew. The registry compares the digest at the end: IMAGE_CORRUPT.
 *
 * Source: OCI distribution specification 1.1, "Pushing blobs".
 */
import { errorCatalogue, PlatformError } from "@liquidmetal/foundation";
import type { RegistryHost } from "./hosts.ts";
import type { HttpResponse, StreamedBody } from "./http-request.ts";
import type { ImageReference } from "./reference.ts";
import { refusal } from "./refusal.ts";
import { type RetryOptions, withRetries } from "./retry.ts";
import type { RegistrySession } from "./session.ts";

export interface BlobUpload {
  readonly digest: string;
  readonly sizeBytes: number;
  /** The content from byte `offset` on. */
  open(offset: number): AsyncIterable<Uint8Array>;
  /** Repositories of the same registry that may have it. */
  readonly mountFrom?: readonly string[] | undefined;
}

export interface UploadOptions extends RetryOptions {
  /** Larger blobs go in chunks of this size. Default 128 MiB. */
  readonly chunkBytes?: number | undefined;
  readonly onProgress?: ((doneBytes: number) => void) | undefined;
}

export type BlobOutcome = "present" | "mounted" | "uploaded";

export interface UploadPlace {
  readonly session: RegistrySession;
  readonly host: RegistryHost;
  readonly reference: ImageReference;
}

const defaultChunkBytes = 128 * 1024 * 1024;
/** Repositories that are tried for a mount. */
const mountsMax = 4;
const octets = "application/octet-stream";

export const pushScopes = ({ repository }: ImageReference, mountFrom: readonly string[] = []): readonly string[] => [
  `repository:${repository}:pull,push`,
  ...mountFrom.map((one) => `repository:${one}:pull`),
];

export async function uploadBlob(place: UploadPlace, blob: BlobUpload, options: UploadOptions): Promise<BlobOutcome> {
  const upload = new Upload(place, blob, options);
  return await asPush(() => withRetries(options, (attempt) => upload.attempt(attempt)));
}

/** Failures on the way are failures of pushing. */
export async function asPush<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof PlatformError) || error.code !== "IMAGE_PULL_FAILED") throw error;
    throw new PlatformError("IMAGE_PUSH_FAILED", error.message, {
      cause: error,
      retry: error.retry,
      details: error.details,
      ...(error.remedy !== errorCatalogue.IMAGE_PULL_FAILED.remedy && { remedy: error.remedy }),
    });
  }
}

class Upload {
  readonly #place: UploadPlace;
  readonly #blob: BlobUpload;
  readonly #options: UploadOptions;
  #location: URL | undefined;
  #offset = 0;

  constructor(place: UploadPlace, blob: BlobUpload, options: UploadOptions) {
    this.#place = place;
    this.#blob = blob;
    this.#options = options;
  }

  async attempt(attempt: number): Promise<BlobOutcome> {
    if (attempt > 1) await this.#findPosition();
    if (this.#location === undefined) {
      if (await this.#isPresent()) return "present";
      if (await this.#begin()) return "mounted";
    }
    const { sizeBytes } = this.#blob;
    const { chunkBytes = defaultChunkBytes } = this.#options;
    while (sizeBytes - this.#offset > chunkBytes) await this.#sendChunk(chunkBytes);
    await this.#finish();
    return "uploaded";
  }

  async #isPresent(): Promise<boolean> {
    const response = await this.#send(`blobs/${this.#blob.digest}`, { method: "HEAD" });
    response.body.resume();
    if (response.status === 200) return true;
    if (response.status === 404) return false;
    throw await this.#refusal(response);
  }

  /** True = mounted, and nothing has to be sent. */
  async #begin(): Promise<boolean> {
    const { digest, mountFrom = [] } = this.#blob;
    this.#offset = 0;
    for (const from of mountFrom.slice(0, mountsMax)) {
      const query = `?mount=${encodeURIComponent(digest)}&from=${encodeURIComponent(from)}`;
      const scopes = pushScopes(this.#place.reference, [from]);
      const response = await this.#send(`blobs/uploads/${query}`, { method: "POST", body: "", scopes });
      response.body.resume();
      if (response.status === 201) return true;
      // It has opened an upload instead. Who may not read the other repository is refused here, and may still upload.
      if (response.status === 202) this.#follow(response);
    }
    if (this.#location !== undefined) return false;
    const response = await this.#send("blobs/uploads/", { method: "POST", body: "" });
    if (response.status !== 202) throw await this.#refusal(response);
    response.body.resume();
    this.#follow(response);
    return false;
  }

  /** After a failure: where the registry stands, or anew. */
  async #findPosition(): Promise<void> {
    if (this.#location === undefined) return;
    const location = this.#location;
    this.#location = undefined;
    const response = await this.#send(location, { method: "GET" });
    response.body.destroy();
    // `0-0` may be one byte or none.
    const last = Number(/^(?:bytes=)?0-(\d+)$/.exec(String(response.headers["range"] ?? ""))?.[1] ?? 0);
    if (response.status !== 204 || last === 0 || last >= this.#blob.sizeBytes) return;
    this.#location = location;
    this.#offset = last + 1;
    if (response.headers.location !== undefined) this.#follow(response);
  }

  async #sendChunk(chunkBytes: number): Promise<void> {
    const end = this.#offset + chunkBytes;
    const headers = { "content-type": octets, "content-range": `${this.#offset}-${end - 1}` };
    const response = await this.#send(this.#here(), { method: "PATCH", headers, body: this.#slice(end) });
    if (response.status !== 202) throw await this.#stale(response);
    response.body.resume();
    this.#offset = end;
    this.#follow(response);
  }

  async #finish(): Promise<void> {
    const { digest, sizeBytes } = this.#blob;
    const url = new URL(this.#here());
    url.searchParams.set("digest", digest);
    const range = this.#offset > 0 ? { "content-range": `${this.#offset}-${sizeBytes - 1}` } : {};
    const headers = { "content-type": octets, ...range };
    const response = await this.#send(url, { method: "PUT", headers, body: this.#slice(sizeBytes), slow: true });
    if (response.status !== 201 && response.status !== 204) throw await this.#stale(response);
    response.body.resume();
    const taken = response.headers["docker-content-digest"];
    if (taken === undefined || taken === digest) return;
    throw new PlatformError("IMAGE_CORRUPT", `${this.#place.reference.name}: the registry took ${digest} for ${taken}`);
  }

  /** A refusal of bytes; an upload that the registry does not know (any more) can be begun anew. */
  async #stale(response: HttpResponse): Promise<PlatformError> {
    const error = await this.#refusal(response);
    if (![404, 416].includes(response.status)) return error;
    this.#location = undefined;
    return new PlatformError("IMAGE_PUSH_FAILED", error.message, { retry: "backoff", details: error.details });
  }

  #slice(end: number): StreamedBody {
    const [start, blob, { onProgress }] = [this.#offset, this.#blob, this.#options];
    return {
      sizeBytes: end - start,
      async *open(): AsyncGenerator<Uint8Array> {
        let at = start;
        for await (const chunk of blob.open(start)) {
          const part = chunk.subarray(0, end - at);
          at += part.length;
          yield part;
          onProgress?.(at);
          if (at >= end) return;
        }
        if (at < end) throw new PlatformError("IMAGE_CORRUPT", `the blob ${blob.digest} is shorter than it says`);
      },
    };
  }

  #here(): URL {
    if (this.#location === undefined) throw new TypeError("an upload has begun before it is continued");
    return this.#location;
  }

  #follow(response: HttpResponse): void {
    const { host } = this.#place;
    const base = this.#location ?? new URL(host.baseUrl);
    const location = URL.parse(response.headers.location ?? "", base.href);
    const secure = new URL(host.baseUrl).protocol !== "https:" || location?.protocol === "https:";
    if (location === null || !/^https?:$/.test(location.protocol) || !secure) {
      throw new PlatformError("IMAGE_PUSH_FAILED", `${base.host} names no place to upload to`, {
        retry: "after-change",
      });
    }
    this.#location = location;
  }

  #send(
    path: string | URL,
    request: {
      readonly method: "HEAD" | "GET" | "POST" | "PUT" | "PATCH";
      readonly headers?: Record<string, string>;
      readonly body?: string | StreamedBody;
      readonly scopes?: readonly string[];
      readonly slow?: boolean;
    },
  ): Promise<HttpResponse> {
    const { session, host, reference } = this.#place;
    const { signal } = this.#options;
    return session.send({ host, reference, path, signal, scopes: pushScopes(reference), ...request });
  }

  #refusal(response: HttpResponse): Promise<PlatformError> {
    const { host, reference } = this.#place;
    return refusal(response, host, reference, `blob ${this.#blob.digest}`, "IMAGE_PUSH_FAILED");
  }
}
