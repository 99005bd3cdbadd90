/**
 * Connections to one API server: bounded pools that follow the credentials.
 *
 * HTTP/1.1 on purpose: with HTTP/2 all calls and watches of a process hang on one TCP connection, and when that one stalls, so does everything.
 * Calls and watches have pools of their own, so that no number of watches keeps a call waiting. When roots or client certificate change, new
 * pools are made; what runs on the old ones ends by itself.
 */
import type { Clock } from "@liquidmetal/foundation";
import { type Dispatcher, Pool, ProxyAgent } from "undici";
import { ApiError } from "./api-error.ts";
import type { ClusterConfiguration } from "./cluster-configuration.ts";
import { Credentials, type CurrentCredentials } from "./credentials.ts";

export interface TransportOptions {
  readonly configuration: ClusterConfiguration;
  readonly clock: Clock;
  /** Calls at once. */
  readonly connections: number;
  readonly userAgent: string;
}

export interface TransportRequest {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly path: string;
  readonly body?: string;
  readonly contentType?: string;
  readonly signal: AbortSignal;
  readonly purpose: "call" | "watch";
}

interface Pools {
  readonly tlsIdentity: string;
  readonly call: Dispatcher;
  readonly watch: Dispatcher;
}

/** The API server closes idle connections after 90 s: ours go first, so that no request meets a connection that is being closed. */
const idleMs = 45_000;
const connectTimeoutMs = 10_000;
const tcpKeepAliveMs = 15_000;

export class Transport {
  readonly server: string;
  readonly #options: TransportOptions;
  readonly #origin: string;
  readonly #pathPrefix: string;
  readonly #credentials: Credentials;
  #pools: Pools | undefined;
  readonly #retired: Set<Pools> = new Set();
  #closed = false;

  constructor(options: TransportOptions) {
    const url = new URL(options.configuration.server);
    this.server = url.host;
    this.#origin = url.origin;
    this.#pathPrefix = url.pathname.replace(/\/+$/, "");
    this.#options = options;
    this.#credentials = new Credentials(options.configuration, options.clock);
  }

  /** Sends the request and gives back status, headers and the body as a stream, which the caller reads or destroys. */
  async send(request: TransportRequest): Promise<Dispatcher.ResponseData> {
    const credentials = await this.#credentials.current();
    request.signal.throwIfAborted();
    const pools = this.#poolsFor(credentials);
    return await pools[request.purpose].request({
      origin: this.#origin,
      method: request.method,
      path: `${this.#pathPrefix}${request.path}`,
      headers: {
        ...credentials.headers,
        accept: "application/json",
        "user-agent": this.#options.userAgent,
        ...(request.contentType === undefined ? {} : { "content-type": request.contentType }),
      },
      body: request.body ?? null,
      signal: request.signal,
      // Deadlines are the callers'; a watch may be silent for as long as its own limit says.
      headersTimeout: 0,
      bodyTimeout: 0,
    });
  }

  /** Reads files and runs plugins anew, for when the server says no; false when there is nothing that could have changed. */
  async renew(): Promise<boolean> {
    const { certificateAuthority, clientCertificate, token, exec } = this.#options.configuration;
    const materials = [certificateAuthority, clientCertificate, token];
    const canChange = exec !== undefined || materials.some((material) => material !== undefined && "file" in material);
    if (canChange) await this.#credentials.current(true);
    return canChange;
  }

  /** Keeps the process alive until disposed: a program that waits for its call to be repeated has no open connection that would. */
  hold(): Disposable {
    const handle = setInterval(() => undefined, 0x7fffffff);
    return { [Symbol.dispose]: () => clearInterval(handle) };
  }

  /** Breaks every connection. */
  async close(): Promise<void> {
    this.#closed = true;
    const pools = [...this.#retired, ...(this.#pools === undefined ? [] : [this.#pools])];
    this.#retired.clear();
    this.#pools = undefined;
    await Promise.all(pools.flatMap(({ call, watch }) => [call.destroy(), watch.destroy()]));
  }

  #poolsFor(credentials: CurrentCredentials): Pools {
    if (this.#closed) throw new ApiError("this client is closed", { httpStatus: 0, code: "CANCELLED" });
    const current = this.#pools;
    if (current?.tlsIdentity === credentials.tlsIdentity) return current;
    const { connections } = this.#options;
    const made = {
      tlsIdentity: credentials.tlsIdentity,
      call: this.#pool(credentials, connections),
      watch: this.#pool(credentials, null),
    };
    this.#pools = made;
    if (current !== undefined) this.#retire(current);
    return made;
  }

  /** What runs on these pools may end; nothing new begins on them. */
  #retire(pools: Pools): void {
    this.#retired.add(pools);
    const forget = (): void => void this.#retired.delete(pools);
    Promise.all([pools.call.close(), pools.watch.close()]).then(forget, forget);
  }

  #pool(credentials: CurrentCredentials, connections: number | null): Dispatcher {
    const { insecureSkipTlsVerify = false, serverName, proxyUrl } = this.#options.configuration;
    const { ca, cert, key } = credentials;
    const tls = {
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key }),
      ...(serverName === undefined ? {} : { servername: serverName }),
      rejectUnauthorized: !insecureSkipTlsVerify,
      timeout: connectTimeoutMs,
      keepAlive: true,
      keepAliveInitialDelay: tcpKeepAliveMs,
      // A session that is resumed skips the check of a certificate that may have changed.
      maxCachedSessions: 0,
    };
    const limits = {
      connections,
      pipelining: 1,
      allowH2: false,
      keepAliveTimeout: idleMs,
      keepAliveMaxTimeout: idleMs,
    };
    if (proxyUrl === undefined) return new Pool(this.#origin, { ...limits, connect: tls });
    const uri = proxyUrl.replace(/^socks5h:/, "socks5:");
    const requestTls = { ...tls, allowH2: false };
    return new ProxyAgent({ ...limits, uri, requestTls, connectTimeout: connectTimeoutMs });
  }
}
