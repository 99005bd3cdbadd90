/** The debug endpoint: Prometheus metrics and liveness, plain HTTP, off unless configured. */
import { createServer, type ServerResponse } from "node:http";
import { PlatformError } from "@liquidmetal/foundation";
import { formatListenAddress, type ListenAddress } from "../config/index.ts";
import type { Engine } from "../engine/engine.ts";
import type { Logger } from "../observability/logger.ts";
import type { PrometheusMetrics } from "../observability/prometheus.ts";

export interface DebugServerOptions {
  readonly address: ListenAddress;
  readonly metrics: PrometheusMetrics;
  readonly engine: Engine;
  readonly logger: Logger;
}

/** Throws CONFIG_INVALID when the address cannot be listened on. */
export async function startDebugServer(options: DebugServerOptions): Promise<{ stop(): Promise<void> }> {
  const { address, metrics, engine, logger } = options;
  const server = createServer((request, response) => {
    answer(request.url ?? "/", response).catch((error: unknown) => {
      logger.error("debug.failed", { error });
      response.writeHead(500).end();
    });
  });
  server.headersTimeout = 3_000;
  const answer = async (url: string, response: ServerResponse): Promise<void> => {
    const path = url.split("?")[0];
    if (path === "/metrics") response.writeHead(200, { "content-type": metrics.contentType }).end(await metrics.text());
    else if (path === "/healthz")
      response.writeHead(engine.healthy() ? 200 : 503).end(engine.healthy() ? "ok\n" : "stuck\n");
    else response.writeHead(404).end("there are /metrics and /healthz\n");
  };
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) =>
      reject(
        new PlatformError("CONFIG_INVALID", `debug-endpoint ${formatListenAddress(address)}: ${error.message}`, {
          cause: error,
        }),
      ),
    );
    if (address.kind === "unix") server.listen(address.path, resolve);
    else server.listen(address.port, address.host, resolve);
  });
  return {
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
