/** The servers beside the webhooks: probes of the kubelet, and metrics. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { PlatformError } from "@liquidmetal/foundation";
import type { KubernetesClient, Logger, RuntimeMetrics } from "@liquidmetal/kubernetes";
import type { ListenAddress } from "../command-line/listen-address.ts";
import type { Settings } from "../command-line/settings.ts";

export interface ServersOptions {
  readonly settings: Settings;
  readonly metrics: RuntimeMetrics;
  readonly logger: Logger;
  readonly client: KubernetesClient;
  /** Throws when it is not well. */
  readonly check: () => void;
}

export async function startServers({ settings, metrics, logger, check }: ServersOptions): Promise<AsyncDisposable> {
  const health = createServer((request, response) => {
    if (!/^\/(healthz|readyz)(\/|\?|$)/.test(request.url ?? "")) return void response.writeHead(404).end();
    try {
      check();
      response.writeHead(200, { "content-type": "text/plain" }).end("ok");
    } catch (error) {
      response.writeHead(500).end(error instanceof Error ? error.message : "not well");
    }
  });
  await listening(health, settings.health);
  const servers = [health];
  if (settings.diagnostics?.insecure === true) {
    const diagnostics = createServer((request, response) => {
      if (request.url !== "/metrics") return void response.writeHead(404).end();
      metrics.registry.metrics().then(
        (text) => response.writeHead(200, { "content-type": metrics.registry.contentType }).end(text),
        () => response.writeHead(500).end(),
      );
    });
    await listening(diagnostics, settings.diagnostics);
    servers.push(diagnostics);
  }
  logger.info("capmvm.serving", { ports: servers.map((server) => (server.address() as AddressInfo).port) });
  return {
    [Symbol.asyncDispose]: async () => {
      for (const server of servers) {
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      }
    },
  };
}

function listening(server: Server, { host, port }: ListenAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error) =>
      reject(new PlatformError("CONFIG_INVALID", `cannot listen on ${host ?? "*"}:${port}: ${error.message}`)),
    );
    server.listen({ port, ...(host !== undefined && { host }) }, resolve);
  });
}
