/**
 * Requests to one registry's hosts: headers, certificates, and the answer to a challenge (401), remembered while tokens live.
 *
 * A token is asked for with exactly the rights that the work needs: pulling never asks for push.
 */
import { PlatformError } from "@liquidmetal/foundation";
import { authorize, parseChallenge } from "./authorization.ts";
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
  readonly signal?: AbortSignal | undefined;
}

/** Tokens live 60 s at least, by their specification. */
const tokenLifeMs = 50_000;
const tokensMax = 256;

export class RegistrySession {
  readonly #options: RegistryOptions;
  readonly #tokens: Map<string, { header: string; untilMs: number }> = new Map();

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
    const key = `${host.baseUrl} ${reference.repository} ${scopes?.join(" ") ?? ""}`;
    const known = this.#tokens.get(key);
    const fresh = own && known !== undefined && known.untilMs > performance.now() ? known.header : undefined;
    const first = await this.#once(request, url, own, fresh);
    if (first.status !== 401 || !own) return first;
    first.body.resume();
    const challenge = parseChallenge(String(first.headers["www-authenticate"] ?? ""));
    if (challenge === undefined)
      throw new PlatformError("IMAGE_UNAUTHORIZED", `${url.host} refuses access and does not say how to get it`);
    const header = await authorize({
      ...this.#options,
      challenge,
      repository: reference.repository,
      scopes,
      credentials: await credentialsFor(host.mirror ? url.host : reference.registry, this.#options.credentialsPath, {
        helpers: this.#options.credentialHelpers === true,
        signal: request.signal,
      }),
      tls: host.tls,
      host: url.host,
      signal: request.signal,
    });
    this.#remember(key, header);
    return await this.#once(request, url, own, header);
  }

  #once(request: RegistryRequest, url: URL, own: boolean, authorization: string | undefined): Promise<HttpResponse> {
    const { host, method, headers, body, signal } = request;
    return httpRequest({
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

  #remember(key: string, header: string): void {
    if (this.#tokens.size >= tokensMax) this.#tokens.clear();
    this.#tokens.set(key, { header, untilMs: performance.now() + tokenLifeMs });
  }
}

function urlOf({ host, reference, path }: RegistryRequest): URL {
  if (path instanceof URL) return path;
  const url = new URL(`${host.baseUrl}/${reference.repository}/${path}`);
  if (host.mirror) url.searchParams.set("ns", reference.registry);
  return url;
}
