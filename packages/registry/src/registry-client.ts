/**
 * The client of the OCI distribution specification 1.1: pull, push, referrers.
 *
 * Each registry stands for a list of hosts (mirrors, then itself). For pulling, a host that fails is passed over, and the error that says most is
 * reported; pushes go to the first host that takes them. Digests of blobs are not checked here: whoever stores them does that while they stream in.
 */
import { PlatformError } from "@liquidmetal/foundation";
import { type BlobOutcome, type BlobUpload, pushScopes, type UploadOptions, uploadBlob } from "./blob-upload.ts";
import type { RegistryHost } from "./hosts.ts";
import { type HttpResponse, readBody } from "./http-request.ts";
import { type Descriptor, digestOf, documentMaxBytes, mediaTypes, parseStoredDocument } from "./image-documents.ts";
import type { ImageReference } from "./reference.ts";
import { refusal } from "./refusal.ts";
import { type RegistryOptions, RegistrySession } from "./session.ts";

export interface FetchedDocument {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
}

/** The tag under which registries without the referrers API keep what is attached to a manifest. */
export const referrersTag = (digest: string): string => digest.replace(":", "-");

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
}

const accept = [mediaTypes.ociIndex, mediaTypes.dockerList, mediaTypes.ociManifest, mediaTypes.dockerManifest].join(
  ", ",
);
export class RegistryClient {
  readonly #session: RegistrySession;

  constructor(options: RegistryOptions = {}) {
    this.#session = new RegistrySession(options);
  }

  /** The manifest or index that a reference names, or one by its digest. */
  async manifest(reference: ImageReference, digest?: string, options: CallOptions = {}): Promise<FetchedDocument> {
    const wanted = digest ?? reference.digest ?? reference.tag ?? "latest";
    const path = `manifests/${wanted}`;
    return await this.#eachHost(reference, true, async (host) => {
      const response = await this.#session.send({ reference, host, path, headers: { accept }, ...options });
      if (response.status !== 200) throw await refusal(response, host, reference, `manifest ${wanted}`);
      const bytes = await readBody(response, documentMaxBytes);
      const actual = digestOf(bytes);
      if (wanted.startsWith("sha256:") && actual !== wanted) {
        throw new PlatformError(
          "IMAGE_CORRUPT",
          `${reference.name}: the registry sent ${actual} for manifest ${wanted}`,
        );
      }
      const mediaType =
        String(response.headers["content-type"] ?? "")
          .split(";")[0]
          ?.trim() ?? "";
      return {
        descriptor: { mediaType: mediaTypeOf(bytes, mediaType), digest: actual, sizeBytes: bytes.length },
        bytes,
      };
    });
  }

  /** A blob from `offset` on. A registry without ranges is read from its start, and what is known already is skipped. */
  async blob(
    reference: ImageReference,
    digest: string,
    offset: number,
    options: CallOptions = {},
  ): Promise<AsyncIterable<Uint8Array>> {
    const range: Record<string, string> = offset > 0 ? { range: `bytes=${offset}-` } : {};
    return await this.#eachHost(reference, false, async (host) => {
      const path = `blobs/${digest}`;
      const response = await this.#session.send({ reference, host, path, headers: range, ...options });
      if (response.status === 206) return bodyOf(response, host, 0, options);
      if (response.status === 200) return bodyOf(response, host, offset, options);
      throw await refusal(response, host, reference, `blob ${digest}`);
    });
  }

  /** Puts a blob there, if it is not there already. See blob-upload.ts. */
  async putBlob(reference: ImageReference, blob: BlobUpload, options: UploadOptions): Promise<BlobOutcome> {
    const host = await this.#pushHost(reference);
    return await uploadBlob({ session: this.#session, host, reference }, blob, options);
  }

  /** Puts a manifest or index there, as a tag or under its own digest. Resolves with the digest of the subject that the registry took note of. */
  async putManifest(
    reference: ImageReference,
    name: string,
    document: FetchedDocument,
    options: CallOptions = {},
  ): Promise<{ readonly subject: string | undefined }> {
    const host = await this.#pushHost(reference);
    const { bytes, descriptor } = document;
    const response = await this.#session.send({
      reference,
      host,
      path: `manifests/${name}`,
      method: "PUT",
      headers: { "content-type": descriptor.mediaType },
      body: bytes,
      scopes: pushScopes(reference),
      ...options,
    });
    if (response.status !== 201 && response.status !== 202) {
      throw await refusal(response, host, reference, `manifest ${name}`, "IMAGE_PUSH_FAILED");
    }
    response.body.resume();
    const taken = response.headers["docker-content-digest"];
    if (taken !== undefined && taken !== descriptor.digest) {
      throw new PlatformError(
        "IMAGE_CORRUPT",
        `${reference.name}: the registry took ${descriptor.digest} for ${taken}`,
      );
    }
    const subject = response.headers["oci-subject"];
    return { subject: typeof subject === "string" ? subject : undefined };
  }

  /** What is attached to the manifest `digest`: by the referrers API, else by the tag that stands for it. */
  async referrers(
    reference: ImageReference,
    digest: string,
    options: CallOptions = {},
  ): Promise<readonly Descriptor[]> {
    const found = await this.#eachHost(reference, false, async (host) => {
      const headers = { accept: mediaTypes.ociIndex };
      const response = await this.#session.send({ reference, host, path: `referrers/${digest}`, headers, ...options });
      // Registries older than the API: 404, or an error about the route.
      if (response.status === 404 || response.status === 400 || response.status === 405) {
        response.body.destroy();
        return undefined;
      }
      if (response.status !== 200) throw await refusal(response, host, reference, `referrers of ${digest}`);
      return await readBody(response, documentMaxBytes);
    });
    const bytes = found ?? (await this.#referrersTag(reference, digest, options));
    if (bytes === undefined) return [];
    const index = parseStoredDocument(bytes, `referrers of ${digest}`);
    if (index.kind !== "index") throw new PlatformError("IMAGE_CORRUPT", `the referrers of ${digest} are no index`);
    return index.manifests;
  }

  async #referrersTag(
    reference: ImageReference,
    digest: string,
    options: CallOptions,
  ): Promise<Uint8Array | undefined> {
    try {
      return (await this.manifest(reference, referrersTag(digest), options)).bytes;
    } catch (error) {
      if (error instanceof PlatformError && error.code === "IMAGE_NOT_FOUND") return undefined;
      throw error;
    }
  }

  async #eachHost<T>(
    reference: ImageReference,
    resolving: boolean,
    work: (host: RegistryHost) => Promise<T>,
  ): Promise<T> {
    const hosts = await this.#session.hosts(reference);
    const failures: PlatformError[] = [];
    for (const host of hosts) {
      if (resolving && !host.resolves && reference.digest === undefined) continue;
      try {
        return await work(host);
      } catch (error) {
        if (!(error instanceof PlatformError)) throw error;
        failures.push(error);
      }
    }
    const byWeight = ["IMAGE_UNAUTHORIZED", "IMAGE_CORRUPT", "IMAGE_PULL_FAILED", "IMAGE_NOT_FOUND"];
    failures.sort((a, b) => byWeight.indexOf(a.code) - byWeight.indexOf(b.code));
    throw failures[0] ?? new PlatformError("IMAGE_PULL_FAILED", `no host is configured for ${reference.registry}`);
  }

  async #pushHost(reference: ImageReference): Promise<RegistryHost> {
    const host = (await this.#session.hosts(reference)).find(({ pushes }) => pushes);
    if (host !== undefined) return host;
    throw new PlatformError("IMAGE_PUSH_FAILED", `no host that takes pushes is configured for ${reference.registry}`, {
      retry: "after-change",
    });
  }
}

async function* bodyOf(
  response: HttpResponse,
  host: RegistryHost,
  skip: number,
  options: CallOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  let toSkip = skip;
  try {
    for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
      if (toSkip >= chunk.length) toSkip -= chunk.length;
      else {
        yield toSkip === 0 ? chunk : chunk.subarray(toSkip);
        toSkip = 0;
      }
    }
  } catch (error) {
    options.signal?.throwIfAborted();
    if (error instanceof PlatformError) throw error;
    throw new PlatformError("IMAGE_PULL_FAILED", `${host.baseUrl} broke off: ${(error as Error).message}`, {
      cause: error,
    });
  } finally {
    response.body.destroy();
  }
}

/** Some registries send a manifest as text/plain: the document's own word counts then. */
function mediaTypeOf(bytes: Uint8Array, header: string): string {
  if (Object.values<string>(mediaTypes).includes(header)) return header;
  try {
    const { mediaType, manifests } = JSON.parse(Buffer.from(bytes).toString("utf8")) as {
      mediaType?: unknown;
      manifests?: unknown;
    };
    if (typeof mediaType === "string" && mediaType.length < 256) return mediaType;
    return manifests === undefined ? mediaTypes.ociManifest : mediaTypes.ociIndex;
  } catch {
    return header;
  }
}
