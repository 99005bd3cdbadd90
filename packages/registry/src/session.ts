/**
 * Requests to one registry's hosts: headers, certificates, and the answer to a challenge (401), remembered while tokens live.
 *
 * A token is asked for with exactly the rights that the work needs: pulling never asks for push.
 */
import { PlatformError } from "@liquidmetal/foundation";
import { authorize, type Challenge, parseChallenge } from "./authorization.ts";
import { credentialsFor } from "./credentials.ts";
import { type RegistryHost, registryHosts } from "./hosts.ts";
import { type HttpRequest, type HttpResponse, type HttpTimeouts, httpRequest } from "./http-request.ts";
import type { ImageReference } from "./reference.ts";

export interface RegistryOptions extends HttpTimeouts {
  /** A file as `docker login` writes it. Absent = no credentials. */
  readonly credentialsPath?: string;
  /** Programs that the credentials file names (`credHelpers`, `credsStore`) may be run. Default false. */
  readonly credentialHelpers?: boolean;
  /** A directory of containerd's `hosts.toml` files. Absent = registries as they are. */
  readonly hostsDirectory?: string;
}

export interface RegistryRequest {
  readonly host: RegistryHost;
  readonly reference: ImageReference;
  /** Below the repository, as in `manifests/latest`; or a whole URL that the registry gave. */
  readonly path: string | URL;
  readonly method?: HttpRequest["method"];
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: HttpRequest["body"];
  /** Rights beyond pulling, as in `repository:a/b:pull,push`. */
  readonly scopes?: readonly string[];
  /** The registry may think for minutes before it answers, as when it puts a large blob together. Default false. */
  readonly slow?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** Tokens live 60 s at least, by their specification. */
const tokenLifeMs = 50_000;
const tokensMax = 256;
/** For answers that may be slow, where nothing else is configured. */
const slowAnswerMs = 300_000;

interface KnownAccess {
  readonly header: string;
  readonly untilMs: number;
  readonly challenge: Challenge;
}

export class RegistrySession {
  readonly #options: RegistryOptions;
  readonly #known: Map<string, KnownAccess> = new Map();

  constructor(options: RegistryOptions) {
    this.#options = options;
  }

  hosts(reference: ImageReference): Promise<readonly RegistryHost[]> {
    return registryHosts(reference.registry, this.#options.hostsDirectory);
  }

  /** Any status resolves; a challenge is answered once. */
  async send(request: RegistryRequest): Promise<HttpResponse> {
    const { host, reference, scopes } = request;
    const url = urlOf(request);
    // What a registry names for an upload may lie elsewhere: nothing secret goes there.
    const own = url.host === new URL(host.baseUrl).host;
    if (!own) return await this.#once(request, url, own, undefined);
    const key = `${host.baseUrl} ${reference.repository} ${scopes?.join(" ") ?? ""}`;
    const first = await this.#once(request, url, own, await this.#access(request, url, key));
    if (first.status !== 401) return first;
    first.body.resume();
    const challenge = parseChallenge(String(first.headers["www-authenticate"] ?? ""));
    if (challenge === undefined)
      throw new PlatformError("IMAGE_UNAUTHORIZED", `${url.host} refuses access and does not say how to get it`);
    return await this.#once(request, url, own, await this.#answer(request, url, key, challenge));
  }

  /** What was good before; a token that has grown old is renewed first, so that no large body is sent in vain. */
  async #access(request: RegistryRequest, url: URL, key: string): Promise<string | undefined> {
    const known = this.#known.get(key);
    if (known === undefined) return undefined;
    if (known.untilMs > performance.now()) return known.header;
    return await this.#answer(request, url, key, known.challenge);
  }

  async #answer(request: RegistryRequest, url: URL, key: string, challenge: Challenge): Promise<string> {
    const { host, reference, scopes, signal } = request;
    const registry = host.mirror ? url.host : reference.registry;
    const helpers = this.#options.credentialHelpers === true;
    const header = await authorize({
      ...this.#options,
      challenge,
      repository: reference.repository,
      scopes,
      credentials: await credentialsFor(registry, this.#options.credentialsPath, { helpers, signal }),
      tls: host.tls,
      host: url.host,
      signal,
    });
    if (this.#known.size >= tokensMax) this.#known.clear();
    this.#known.set(key, { header, untilMs: performance.now() + tokenLifeMs, challenge });
    return header;
  }

  #once(request: RegistryRequest, url: URL, own: boolean, authorization: string | undefined): Promise<HttpResponse> {
    const { host, method, headers, body, slow, signal } = request;
    return httpRequest({
      ...(slow === true && { idleTimeoutMs: slowAnswerMs }),
      ...this.#options,
      url,
      ...(method !== undefined && { method }),
      ...(own && { tls: host.tls }),
      headers: {
        "user-agent": "liquidmetal",
        ...(own && host.headers),
        ...headers,
        ...(authorization === undefined ? {} : { authorization }),
      },
      ...(body !== undefined && { body }),
      signal,
    });
  }
}

function urlOf({ host, reference, path }: RegistryRequest): URL {
  if (path instanceof URL) return path;
  const url = new URL(`${host.baseUrl}/${reference.repository}/${path}`);
  if (host.mirror) url.searchParams.set("ns", reference.registry);
  return url;
}
