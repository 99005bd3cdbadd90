/**
 * A connection to a flintlock host: `connect({ address })`, then typed promises and async iterables.
 *
 * Works with any flintlock server; our additive services answer only where the server is ours. Nothing is dialled before the first call.
 */
import { type ChannelCredentials, type ChannelOptions, Client, credentials } from "@grpc/grpc-js";
import { PlatformError } from "@liquidmetal/foundation";
import { Health } from "../gen/grpc/health/v1/health_pb.js";
import { Host, Images } from "../gen/liquidmetal/host/v1/host_pb.js";
import { MicroVM } from "../gen/services/microvm/v1alpha1/microvms_pb.js";
import type { ServiceClient } from "./call-types.ts";
import { DiallingCredentials } from "./dialling.ts";
import { parseProxy } from "./proxy-tunnel.ts";
import { serviceClient } from "./service-client.ts";

export interface ConnectTls {
  /** PEM; absent = the system's roots. */
  readonly ca?: Buffer;
  /** PEM; client certificate and key go together. */
  readonly cert?: Buffer;
  readonly key?: Buffer;
  /** Name that the server's certificate must carry, when it is not the address. */
  readonly serverName?: string;
}

export interface ConnectOptions {
  /** `host:port` or `unix:/path`. */
  readonly address: string;
  /** Sent as `Basic base64(token)`, which every flintlock server understands. */
  readonly token?: string;
  /** Absent = plain text. */
  readonly tls?: ConnectTls;
  /** Deadline of unary calls, milliseconds. Default 30,000. */
  readonly timeoutMs?: number;
  /** Largest message received, bytes. Default 64 MiB. */
  readonly messageLimitBytes?: number;
  /** For connections that live long and are watched: failures have names, and a dead host is noticed. Not for Unix sockets. */
  readonly lasting?: LastingConnection;
}

export interface LastingConnection {
  /** URL of an HTTP proxy that takes CONNECT. Absent = grpc's own handling of the environment. */
  readonly proxy?: string;
  /** For each stage of dialling, milliseconds. Default 5,000. */
  readonly dialTimeoutMs?: number;
  /** Silence after which the host is asked for a sign of life, milliseconds; absent = never (Go servers end connections that ask too often). */
  readonly keepaliveMs?: number;
  /** How long it may take to answer that, milliseconds. Default 3,000. */
  readonly keepaliveTimeoutMs?: number;
  /** Longest pause between two attempts to reconnect, milliseconds. Default 5,000. */
  readonly reconnectMs?: number;
  /** Called for every attempt that failed, with what went wrong in words. */
  readonly onDialFailure?: (error: PlatformError) => void;
}

export interface Connection extends Disposable {
  readonly address: string;
  readonly microVms: ServiceClient<typeof MicroVM>;
  readonly host: ServiceClient<typeof Host>;
  readonly images: ServiceClient<typeof Images>;
  readonly health: ServiceClient<typeof Health>;
  /** Resolves when the server is reached; rejects with UNAVAILABLE at the deadline. */
  ready(timeoutMs: number): Promise<void>;
  /** Ends open streams and lets go of the connection. */
  close(): void;
}

const defaultTimeoutMs = 30_000;
const defaultMessageLimitBytes = 67_108_864;

export function connect(options: ConnectOptions): Connection {
  const { address, token, tls, timeoutMs = defaultTimeoutMs, messageLimitBytes = defaultMessageLimitBytes } = options;
  const { target, channelCredentials, channelOptions } = dialled(options);
  const client = new Client(target, channelCredentials, {
    "grpc.max_receive_message_length": messageLimitBytes,
    "grpc.max_send_message_length": messageLimitBytes,
    "grpc.enable_retries": 0,
    "grpc.initial_reconnect_backoff_ms": 100,
    "grpc.max_reconnect_backoff_ms": 5_000,
    // Connections of one process to one host are not shared: each has its own credentials and is closed on its own.
    "grpc.use_local_subchannel_pool": 1,
    ...(tls?.serverName === undefined ? {} : { "grpc.ssl_target_name_override": tls.serverName }),
    ...channelOptions,
  });
  const closing = new AbortController();
  const defaults = {
    timeoutMs,
    closed: closing.signal,
    ...(token === undefined ? {} : { authorization: `Basic ${Buffer.from(token).toString("base64")}` }),
  };
  const close = (): void => {
    closing.abort();
    client.close();
  };
  return {
    address,
    microVms: serviceClient(client, MicroVM, defaults),
    host: serviceClient(client, Host, defaults),
    images: serviceClient(client, Images, defaults),
    health: serviceClient(client, Health, defaults),
    ready: (readyTimeoutMs) => ready(client, address, readyTimeoutMs),
    close,
    [Symbol.dispose]: close,
  };
}

interface Dialled {
  readonly target: string;
  readonly channelCredentials: ChannelCredentials;
  readonly channelOptions: ChannelOptions;
}

function dialled({ address, tls, lasting }: ConnectOptions): Dialled {
  if (lasting === undefined) {
    const channelCredentials =
      tls === undefined
        ? credentials.createInsecure()
        : credentials.createSsl(tls.ca ?? null, tls.key ?? null, tls.cert ?? null);
    return { target: address, channelCredentials, channelOptions: {} };
  }
  const {
    dialTimeoutMs = 5_000,
    keepaliveMs,
    keepaliveTimeoutMs = 3_000,
    reconnectMs = 5_000,
    onDialFailure,
  } = lasting;
  const proxy = lasting.proxy === undefined ? undefined : parseProxy(lasting.proxy);
  const onFailure = onDialFailure ?? (() => undefined);
  const channelOptions = {
    "grpc.max_reconnect_backoff_ms": reconnectMs,
    "grpc.dns_min_time_between_resolutions_ms": reconnectMs,
    "grpc.default_authority": address,
    ...(keepaliveMs === undefined
      ? {}
      : {
          "grpc.keepalive_time_ms": keepaliveMs,
          "grpc.keepalive_timeout_ms": keepaliveTimeoutMs,
          "grpc.keepalive_permit_without_calls": 1,
        }),
    ...(proxy === undefined ? {} : { "grpc.enable_http_proxy": 0 }),
  };
  return {
    // The scheme is said, so that a host called like one is still a host.
    target: `dns:${proxy?.address ?? address}`,
    channelCredentials: new DiallingCredentials({ target: address, tls, proxy, timeoutMs: dialTimeoutMs, onFailure }),
    channelOptions,
  };
}

function ready(client: Client, address: string, timeoutMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    client.waitForReady(Date.now() + timeoutMs, (error) => {
      if (error === undefined || error === null) resolve();
      else reject(new PlatformError("UNAVAILABLE", `${address} cannot be reached: ${error.message}`, { cause: error }));
    });
  });
}
