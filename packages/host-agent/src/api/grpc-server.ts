/**
 * The gRPC server: all services on all listeners, token checked before a message is read.
 *
 * Health needs no token (probes cannot send one, and it tells nothing else); everything else does, reflection included.
 */
import { rm } from "node:fs/promises";
import {
  ResponderBuilder,
  Server,
  type ServerCredentials,
  ServerInterceptingCall,
  type ServerInterceptor,
  ServerListenerBuilder,
} from "@grpc/grpc-js";
import { Host, Images, MicroVM } from "@liquidmetal/api";
import { Health } from "@liquidmetal/api/health";
import { ServerReflection as ReflectionV1 } from "@liquidmetal/api/reflection/v1";
import { ServerReflection as ReflectionV1Alpha } from "@liquidmetal/api/reflection/v1alpha";
import { type BindOptions, bindService, statusOf } from "@liquidmetal/api/server";
import { PlatformError } from "@liquidmetal/foundation";
import { formatListenAddress, type ListenAddress } from "../config/listen-address.ts";
import type { ApiContext } from "./api-context.ts";
import type { ApiMetrics } from "./api-metrics.ts";
import type { Authenticator } from "./authentication.ts";
import { healthService } from "./health-service.ts";
import { hostService } from "./host-service.ts";
import { imagesService } from "./images-service.ts";
import type { MicroVmHandlers } from "./microvm-service.ts";
import { reflectionAlphaService, reflectionService } from "./reflection-service.ts";
import { grpcCredentials, type TlsMaterial } from "./tls-material.ts";
import { claimSocketPath, protectSocket } from "./unix-socket.ts";

export interface RunningServer {
  /** As bound: port 0 is replaced by the port chosen. */
  readonly addresses: readonly string[];
  /** Takes no more calls, ends streams with UNAVAILABLE, lets the rest finish until the deadline, then ends it. */
  stop(timeoutMs: number): Promise<void>;
}

export interface GrpcServerOptions {
  readonly context: ApiContext;
  readonly microVms: MicroVmHandlers;
  readonly authenticate: Authenticator;
  readonly tls: TlsMaterial | undefined;
  readonly metrics: ApiMetrics | undefined;
}

const keepaliveTimeoutMs = 20_000;
const sendLimitBytes = 67_108_864;
const concurrentStreamsMax = 1_024;
const healthPrefix = `/${Health.typeName}/`;

export async function startGrpcServer(options: GrpcServerOptions): Promise<RunningServer> {
  const { context, tls } = options;
  const { api } = context.config;
  const stopping = new AbortController();
  const server = new Server({
    "grpc.max_receive_message_length": api.messageLimitBytes,
    "grpc.max_send_message_length": sendLimitBytes,
    "grpc.keepalive_time_ms": api.keepaliveMs,
    "grpc.keepalive_timeout_ms": keepaliveTimeoutMs,
    "grpc.max_concurrent_streams": concurrentStreamsMax,
    "grpc.enable_channelz": 0,
    ...(api.token === undefined ? {} : { interceptors: [authenticationInterceptor(options.authenticate)] }),
  });
  addServices(server, options, stopping.signal);
  const addresses: string[] = [];
  const stop = (timeoutMs: number): Promise<void> => stopServer(server, stopping, api.grpc, timeoutMs);
  try {
    for (const address of api.grpc) addresses.push(await bind(server, address, tls));
  } catch (error) {
    await stop(0);
    throw error;
  }
  return { addresses, stop };
}

function addServices(server: Server, options: GrpcServerOptions, stopping: AbortSignal): void {
  const { context, metrics } = options;
  const bindOptions: BindOptions = {
    stopping,
    onDefect: (method, error) => context.log.error("api.defect", { method, error }),
    ...(metrics === undefined ? {} : { onCall: (call) => metrics.callFinished({ protocol: "grpc", ...call }) }),
  };
  bindService(server, MicroVM, options.microVms, bindOptions);
  bindService(server, Host, hostService(context), bindOptions);
  bindService(server, Images, imagesService(context), bindOptions);
  bindService(server, Health, healthService(context.application), bindOptions);
  if (!context.config.api.reflection) return;
  const described = [MicroVM, Host, Images, Health, ReflectionV1, ReflectionV1Alpha];
  bindService(server, ReflectionV1, reflectionService(described), bindOptions);
  bindService(server, ReflectionV1Alpha, reflectionAlphaService(described), bindOptions);
}

/** Refuses calls without the token before a message of them is read. */
export function authenticationInterceptor(authenticate: Authenticator): ServerInterceptor {
  return (method, call) => {
    if (method.path.startsWith(healthPrefix)) return new ServerInterceptingCall(call);
    const listener = new ServerListenerBuilder()
      .withOnReceiveMetadata((metadata, next) => {
        const presented = metadata.get("authorization")[0];
        const refusal = authenticate(typeof presented === "string" ? presented : undefined);
        if (refusal === undefined) next(metadata);
        else call.sendStatus(statusOf(refusal, method.path, { onDefect: () => undefined }));
      })
      .build();
    return new ServerInterceptingCall(call, new ResponderBuilder().withStart((next) => next(listener)).build());
  };
}

async function bind(server: Server, address: ListenAddress, tls: TlsMaterial | undefined): Promise<string> {
  if (address.kind === "tcp") {
    const target = formatListenAddress(address);
    const port = await bindTarget(server, target, grpcCredentials(tls));
    return formatListenAddress({ ...address, port });
  }
  // A socket is guarded by its file mode; certificates name hosts, not paths.
  await claimSocketPath(address.path);
  await bindTarget(server, `unix:${address.path}`, grpcCredentials(undefined));
  await protectSocket(address.path);
  return formatListenAddress(address);
}

function bindTarget(server: Server, target: string, credentials: ServerCredentials): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(target, credentials, (error, port) => {
      if (error === null) resolve(port);
      else {
        const text = `cannot listen on ${target}: ${error.message}`;
        reject(
          new PlatformError("CONFIG_INVALID", text, {
            cause: error,
            remedy: "choose another address, or stop what uses it",
          }),
        );
      }
    });
  });
}

async function stopServer(
  server: Server,
  stopping: AbortController,
  listeners: readonly ListenAddress[],
  timeoutMs: number,
): Promise<void> {
  stopping.abort(new PlatformError("UNAVAILABLE", "the agent is stopping"));
  await new Promise<void>((resolve) => {
    const deadline = setTimeout(resolve, timeoutMs);
    server.tryShutdown(() => {
      clearTimeout(deadline);
      resolve();
    });
  });
  server.forceShutdown();
  for (const address of listeners) if (address.kind === "unix") await rm(address.path, { force: true });
}
