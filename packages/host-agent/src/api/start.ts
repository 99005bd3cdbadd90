/** Starts everything by which the agent is spoken to, and stops it again. */
import { PlatformError } from "@liquidmetal/foundation";
import type { ImageStore } from "@liquidmetal/microvm";
import type { AgentConfig, ApiConfig } from "../config/agent-config.ts";
import { formatListenAddress, type ListenAddress } from "../config/listen-address.ts";
import type { Application } from "../engine/application.ts";
import type { Logger } from "../observability/logger.ts";
import type { ApiContext } from "./api-context.ts";
import type { ApiMetrics } from "./api-metrics.ts";
import { authenticator } from "./authentication.ts";
import { type RunningServer, startGrpcServer } from "./grpc-server.ts";
import { microVmService } from "./microvm-service.ts";
import { readTlsMaterial } from "./tls-material.ts";

export interface ApiServersOptions {
  readonly application: Application;
  readonly images: ImageStore;
  readonly config: AgentConfig;
  readonly log: Logger;
  readonly metrics?: ApiMetrics;
}

export interface ApiServers {
  /** Where the servers listen, with the ports that were chosen for port 0. */
  readonly addresses: { readonly grpc: readonly string[]; readonly http: readonly string[] };
  /** Ends everything within the configured deadline; nothing is left open. Idempotent. */
  stop(): Promise<void>;
}

/** Throws CONFIG_INVALID when an address cannot be listened on, a certificate cannot be read, or plain text would leave this machine unasked. */
export async function startApiServers(options: ApiServersOptions): Promise<ApiServers> {
  const { config, log, metrics } = options;
  const { api } = config;
  if (!api.enabled) return { addresses: { grpc: [], http: [] }, stop: async () => undefined };
  refusePlainText(api);
  const tls = api.tls === undefined ? undefined : await readTlsMaterial(api.tls);
  const context: ApiContext = { application: options.application, images: options.images, config, log };
  const shared = { context, microVms: microVmService(context), authenticate: authenticator(api.token), tls, metrics };
  const running: RunningServer[] = [];
  const stopAll = async (): Promise<void> => {
    await Promise.all(running.splice(0).map((server) => server.stop(api.stopTimeoutMs)));
  };
  try {
    const grpc = await startGrpcServer(shared);
    running.push(grpc);
    const http = api.http === undefined ? undefined : await startHttp(shared, api.http);
    if (http !== undefined) running.push(http);
    const addresses = { grpc: grpc.addresses, http: http?.addresses ?? [] };
    log.info("api.started", { ...addresses, tls: tls !== undefined, token: api.token !== undefined });
    return { addresses, stop: stopAll };
  } catch (error) {
    await stopAll();
    throw error;
  }
}

/** The gateway and its web framework are loaded only where they are wanted. */
async function startHttp(
  shared: Omit<Parameters<typeof import("./http-gateway.ts").startHttpGateway>[0], "address">,
  address: ListenAddress,
): Promise<RunningServer> {
  const { startHttpGateway } = await import("./http-gateway.ts");
  return startHttpGateway({ ...shared, address });
}

function refusePlainText(api: ApiConfig): void {
  if (api.tls !== undefined || api.insecure) return;
  for (const address of [...api.grpc, ...(api.http === undefined ? [] : [api.http])]) {
    if (address.kind === "unix" || address.loopback) continue;
    throw new PlatformError(
      "CONFIG_INVALID",
      `certificate file path is required when running securely: ${formatListenAddress(address)} can be reached from other machines`,
      { remedy: "give --tls-cert and --tls-key, or --insecure if plain text is what you want" },
    );
  }
}
