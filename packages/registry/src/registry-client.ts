/**
 * Reads images from registries (OCI distribution specification 1.1, pull only).
 *
 * Each registry stands for a list of hosts (mirrors, then itself). A host that fails is passed over; the error that says most is reported.
 * Digests are not checked here: containerd does that while content streams in.
 */
import { PlatformError } from "@liquidmetal/foundation";
import { authorize, parseChallenge } from "./authorization.ts";
import { credentialsFor } from "./credentials.ts";
import { type RegistryHost, registryHosts } from "./hosts.ts";
import { type HttpResponse, type HttpTimeouts, httpRequest, readBody } from "./http-request.ts";
import { type Descriptor, digestOf, documentMaxBytes, mediaTypes } from "./image-documents.ts";
import type { ImageReference } from "./reference.ts";

export interface RegistryOptions extends HttpTimeouts {
  /** A file as `docker login` writes it. Absent = no credentials. */
  readonly credentialsPath?: string;
  /** A directory of containerd's `hosts.toml` files. Absent = registries as they are. */
  readonly hostsDirectory?: string;
}

export interface FetchedDocument {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
}

interface CallOptions {
  readonly signal?: AbortSignal | undefined;
}

const accept = [mediaTypes.ociIndex, mediaTypes.dockerList, mediaTypes.ociManifest, mediaTypes.dockerManifest].join(
  ", ",
);
/** Tokens live 60 s at least, by their specification. */
const tokenLifeMs = 50_000;

export class RegistryClient {
  readonly #options: RegistryOptions;
  readonly #tokens: Map<string, { header: string; untilMs: number }> = new Map();

  constructor(options: RegistryOptions = {}) {
    this.#options = options;
  }

  /** The manifest or index that a reference names, or one by its digest. */
  async manifest(reference: ImageReference, digest?: string, options: CallOptions = {}): Promise<FetchedDocument> {
    const wanted = digest ?? reference.digest ?? reference.tag ?? "latest";
    const path = `manifests/${wanted}`;
    return await this.#eachHost(reference, true, async (host) => {
      const response = await this.#get(reference, host, path, { accept }, options);
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
      const response = await this.#get(reference, host, `blobs/${digest}`, range, options);
      if (response.status === 206) return bodyOf(response, host, 0, options);
      if (response.status === 200) return bodyOf(response, host, offset, options);
      throw await refusal(response, host, reference, `blob ${digest}`);
    });
  }

  async #eachHost<T>(
    reference: ImageReference,
    resolving: boolean,
    work: (host: RegistryHost) => Promise<T>,
  ): Promise<T> {
    const hosts = await registryHosts(reference.registry, this.#options.hostsDirectory);
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

  async #get(
    reference: ImageReference,
    host: RegistryHost,
    path: string,
    headers: Readonly<Record<string, string>>,
    options: CallOptions,
  ): Promise<HttpResponse> {
    const url = new URL(`${host.baseUrl}/${reference.repository}/${path}`);
    if (host.mirror) url.searchParams.set("ns", reference.registry);
    const key = `${host.baseUrl} ${reference.repository}`;
    const known = this.#tokens.get(key);
    const authorization = known !== undefined && known.untilMs > performance.now() ? known.header : undefined;
    const send = (header: string | undefined): Promise<HttpResponse> =>
      httpRequest({
        ...this.#options,
        url,
        tls: host.tls,
        headers: {
          "user-agent": "liquidmetal",
          ...host.headers,
          ...headers,
          ...(header === undefined ? {} : { authorization: header }),
        },
        signal: options.signal,
      });
    const first = await send(authorization);
    if (first.status !== 401) return first;
    first.body.resume();
    const challenge = parseChallenge(String(first.headers["www-authenticate"] ?? ""));
    if (challenge === undefined)
      throw new PlatformError("IMAGE_UNAUTHORIZED", `${url.host} refuses access and does not say how to get it`);
    const header = await authorize({
      ...this.#options,
      challenge,
      repository: reference.repository,
      credentials: await credentialsFor(host.mirror ? url.host : reference.registry, this.#options.credentialsPath),
      tls: host.tls,
      host: url.host,
      signal: options.signal,
    });
    this.#remember(key, header);
    return await send(header);
  }

  #remember(key: string, header: string): void {
    if (this.#tokens.size >= 256) this.#tokens.clear();
    this.#tokens.set(key, { header, untilMs: performance.now() + tokenLifeMs });
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

async function refusal(
  response: HttpResponse,
  host: RegistryHost,
  reference: ImageReference,
  what: string,
): Promise<PlatformError> {
  response.body.destroy();
  const { status } = response;
  const text = `${reference.name}: ${new URL(host.baseUrl).host} answered ${status} for ${what}`;
  if (status === 401 || status === 403) return new PlatformError("IMAGE_UNAUTHORIZED", text);
  if (status === 404) return new PlatformError("IMAGE_NOT_FOUND", text);
  return new PlatformError("IMAGE_PULL_FAILED", text);
}
