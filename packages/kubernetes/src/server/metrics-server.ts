/**
 * `/metrics` for Prometheus: by HTTPS for those whom the API server lets (TokenReview, SubjectAccessReview on the path), or by plain HTTP to everybody who
 * can reach the address, which is for loopback and for networks that are trusted (`--insecure-diagnostics`).
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { type Clock, PlatformError, systemClock } from "@liquidmetal/foundation";
import type { KubernetesClient } from "../client/client.ts";
import { type Logger, silentLogger } from "../logger.ts";
import { listen, type TlsOptions } from "./listener.ts";
import { RequestAuthorizer } from "./request-authorizer.ts";
import type { RuntimeMetrics } from "./runtime-metrics.ts";
import { selfSignedCertificate } from "./self-signed-certificate.ts";
import { type CertificateFiles, type ServingCertificate, watchCertificate } from "./serving-certificate.ts";

export interface MetricsServerOptions {
  /** Absent = all addresses. */
  readonly host?: string;
  /** 0 = any free port. */
  readonly port: number;
  readonly metrics: RuntimeMetrics;
  /** Absent = plain HTTP, everybody may read. */
  readonly secured?: TlsOptions & {
    /** Asks the API server who may read. */
    readonly client: KubernetesClient;
    /** Absent = a certificate that nobody signed, made at each start. */
    readonly certificate?: CertificateFiles;
  };
  readonly clock?: Clock;
  readonly logger?: Logger;
}

export interface MetricsServer extends AsyncDisposable {
  readonly port: number;
}

/** Throws `CONFIG_INVALID` when the address cannot be listened on or the certificate not be read. */
export async function startMetricsServer(options: MetricsServerOptions): Promise<MetricsServer> {
  const { host, port, metrics, secured, clock = systemClock, logger = silentLogger } = options;
  const authorizer = secured === undefined ? undefined : new RequestAuthorizer(secured.client, clock);
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { pathname } = new URL(request.url ?? "/", "http://metrics");
    if (pathname !== "/metrics") return reply(response, 404, "404 page not found\n");
    if (request.method !== "GET" && request.method !== "HEAD") return reply(response, 405, "ask with GET\n");
    try {
      const answer = (await authorizer?.authorize(request.headers.authorization, "get", pathname)) ?? "allowed";
      if (answer === "unauthenticated") return reply(response, 401, "Unauthorized\n");
      if (answer === "forbidden") return reply(response, 403, "Forbidden: get on /metrics is not allowed\n");
      reply(response, 200, await metrics.registry.metrics(), metrics.registry.contentType);
    } catch (error) {
      logger.warn("metrics.failed", { error: PlatformError.from(error).message });
      reply(response, 500, "the request could not be checked or answered; see the log\n");
    }
  };
  await using stack = new AsyncDisposableStack();
  const certificate = secured === undefined ? undefined : stack.use(await certificateOf(secured.certificate, options));
  const { minVersion, cipherSuites } = secured ?? {};
  const listener = await listen({
    port,
    handle,
    ...(host === undefined ? {} : { host }),
    ...(certificate === undefined
      ? {}
      : {
          tls: {
            certificate,
            ...(minVersion === undefined ? {} : { minVersion }),
            ...(cipherSuites === undefined ? {} : { cipherSuites }),
          },
        }),
  });
  const kept = stack.move();
  return {
    port: listener.port,
    [Symbol.asyncDispose]: async () => {
      await kept.disposeAsync();
      await listener.close(1_000);
    },
  };
}

async function certificateOf(
  files: CertificateFiles | undefined,
  { clock, logger, metrics }: MetricsServerOptions,
): Promise<ServingCertificate> {
  if (files === undefined) {
    const current = await selfSignedCertificate("metrics", Date.now());
    const nothing: Disposable = { [Symbol.dispose]: () => undefined };
    return { ...nothing, current, onChange: () => nothing };
  }
  return watchCertificate({
    ...files,
    metrics,
    ...(clock === undefined ? {} : { clock }),
    ...(logger === undefined ? {} : { logger }),
  });
}

function reply(response: ServerResponse, code: number, text: string, contentType = "text/plain; charset=utf-8"): void {
  response.writeHead(code, { "content-type": contentType }).end(text);
}
