/**
 * A fake flintlockd: the real API (wire, validation, errors, watch, token, TLS) on a real port, in front of microVMs that are played.
 *
 * For tests of everything that talks to hosts. The test decides how microVMs live (`host`), what becomes of calls (`calls`) and of the connection
 * (`freeze`, `cut`, `stop`, `start`, `restart`). It is held to the real flintlockd by a conformance suite.
 */
import { Server, type ServerInterceptor } from "@grpc/grpc-js";
import { Host, Images, MicroVM } from "@liquidmetal/api";
import { Health } from "@liquidmetal/api/health";
import { bindService } from "@liquidmetal/api/server";
import { type Clock, PlatformError, systemClock } from "@liquidmetal/foundation";
import type { ApiContext } from "../api/api-context.ts";
import { authenticator } from "../api/authentication.ts";
import { FakeImageStore } from "../api/fake-image-store.ts";
import { authenticationInterceptor } from "../api/grpc-server.ts";
import { healthService } from "../api/health-service.ts";
import { hostService } from "../api/host-service.ts";
import { imagesService } from "../api/images-service.ts";
import { microVmService } from "../api/microvm-service.ts";
import { grpcCredentials, type TlsMaterial } from "../api/tls-material.ts";
import { defaultAgentConfig } from "../config/load.ts";
import { silentLogger } from "../observability/logger.ts";
import { CallScript } from "./call-script.ts";
import type { PlayedFacts } from "./played-facts.ts";
import { PlayedHost } from "./played-host.ts";
import { TcpFront } from "./tcp-front.ts";
import { upstreamHandlers, upstreamStatuses } from "./upstream.ts";
import { VolatileJournal } from "./volatile-journal.ts";

export interface FakeFlintlockdOptions {
  /** Address to listen on, an IP address without brackets. Default 127.0.0.1. */
  readonly address?: string;
  /** Default: any free one, kept over restarts. */
  readonly port?: number;
  readonly token?: string;
  /** PEM. With `clientCa`, client certificates are mandatory. */
  readonly tls?: TlsMaterial;
  readonly facts?: PlayedFacts;
  /** Behaves as upstream's flintlock: no Host service, no labels, names taken twice, failures without codes. */
  readonly likeUpstream?: boolean;
  /** Events kept for watchers that resume. Default 10,000. */
  readonly eventsMax?: number;
  readonly clock?: Clock;
}

export class FakeFlintlockd implements AsyncDisposable {
  readonly calls: CallScript;
  readonly images: FakeImageStore = new FakeImageStore();
  token: string | undefined;
  tls: TlsMaterial | undefined;
  readonly #options: FakeFlintlockdOptions;
  readonly #clock: Clock;
  readonly #front: TcpFront;
  #journal: VolatileJournal;
  #host: PlayedHost;
  #running: { readonly server: Server; readonly stopping: AbortController } | undefined;

  constructor(options: FakeFlintlockdOptions = {}) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.token = options.token;
    this.tls = options.tls;
    this.calls = new CallScript(this.#clock);
    this.#front = new TcpFront(options.address ?? "127.0.0.1", options.port ?? 0);
    this.#journal = new VolatileJournal(options.eventsMax ?? 10_000);
    this.#host = this.#newHost(options.facts ?? {});
  }

  /** Where it listens, from the first start on. */
  get endpoint(): string {
    return this.#front.endpoint;
  }

  get host(): PlayedHost {
    return this.#host;
  }

  /** Connections of clients at this moment. */
  get connections(): number {
    return this.#front.connections;
  }

  async start(): Promise<void> {
    if (this.#running !== undefined) return;
    const stopping = new AbortController();
    const server = this.#server(stopping.signal);
    this.#running = { server, stopping };
    await this.#front.open(await bind(server, this.tls));
    this.#host.resume();
  }

  /** Connections are refused from now on. */
  async stop(): Promise<void> {
    const running = this.#running;
    this.#running = undefined;
    if (running === undefined) return;
    await this.#front.close();
    running.stopping.abort(new PlatformError("UNAVAILABLE", "the agent is stopping"));
    running.server.forceShutdown();
    this.#host.close();
  }

  /** Comes back on the same port, with the microVMs and events it had; or with an empty state and nothing at all. Token and TLS as they are set now. */
  async restart(options: { readonly empty?: boolean } = {}): Promise<void> {
    await this.stop();
    const { lifeOf, images, addressesOf, facts } = this.#host;
    if (options.empty === true) this.#journal = new VolatileJournal(this.#options.eventsMax ?? 10_000);
    this.#host = this.#newHost(facts);
    Object.assign(this.#host, { lifeOf, images, addressesOf });
    await this.start();
  }

  /** Connections are taken and stay; nothing is answered any more. */
  freeze(): void {
    this.#front.freeze();
  }

  thaw(): void {
    this.#front.thaw();
  }

  /** Cuts every connection; clients may connect again at once. */
  cut(): void {
    this.#front.cut();
  }

  /** Forgets its events, so that no watcher can resume. */
  dropEvents(): void {
    this.#journal.dropEvents();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #newHost(facts: PlayedFacts): PlayedHost {
    const likeUpstream = this.#options.likeUpstream ?? false;
    return new PlayedHost({ clock: this.#clock, journal: this.#journal, facts, likeUpstream });
  }

  #server(stopping: AbortSignal): Server {
    const { likeUpstream = false } = this.#options;
    const upstream = likeUpstream ? [upstreamStatuses] : [];
    const token = this.token === undefined ? [] : [authenticationInterceptor(authenticator(this.token))];
    const interceptors: ServerInterceptor[] = [...upstream, ...token, this.calls.interceptor];
    const server = new Server({
      interceptors,
      "grpc.max_receive_message_length": 67_108_864,
      "grpc.enable_channelz": 0,
    });
    const defaults = defaultAgentConfig();
    const context: ApiContext = { application: this.#host, images: this.images, config: defaults, log: silentLogger };
    const bound = { stopping, onDefect: (method: string, error: unknown) => report(method, error) };
    const handlers = microVmService(context);
    bindService(server, MicroVM, likeUpstream ? upstreamHandlers(handlers, this.#host) : handlers, bound);
    if (likeUpstream) return server;
    bindService(server, Host, hostService(context), bound);
    bindService(server, Images, imagesService(context), bound);
    bindService(server, Health, healthService(this.#host), bound);
    return server;
  }
}

/** Starts one; disposing it leaves nothing. */
export async function startFakeFlintlockd(options: FakeFlintlockdOptions = {}): Promise<FakeFlintlockd> {
  const fake = new FakeFlintlockd(options);
  await fake.start();
  return fake;
}

function bind(server: Server, tls: TlsMaterial | undefined): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", grpcCredentials(tls), (error, port) => {
      if (error === null) resolve(port);
      else reject(error);
    });
  });
}

/** A defect of the fake is told where a person running the test sees it. */
function report(method: string, error: unknown): void {
  process.stderr.write(
    `fake flintlockd: ${method}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
  );
}
