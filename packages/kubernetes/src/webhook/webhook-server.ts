/**
 * The webhook server: HTTPS, one route per webhook, the certificate read again when it changes.
 *
 * Every request is bounded: by size, by the time the API server says it waits (`?timeout=`), by the listener's limits. What cannot be read as a review
 * is answered with an HTTP error, everything else with 200 and a review.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { type Clock, PlatformError, systemClock, withDeadline } from "@liquidmetal/foundation";
import { type Logger, silentLogger } from "../logger.ts";
import type { KubernetesObject } from "../object.ts";
import { type Listener, listen, type TlsOptions } from "../server/listener.ts";
import type { RuntimeMetrics } from "../server/runtime-metrics.ts";
import { type CertificateFiles, type ServingCertificate, watchCertificate } from "../server/serving-certificate.ts";
import type { Defaulter, Validator } from "./admission.ts";
import { answerDefaulting, answerValidating } from "./admission-review.ts";
import { answerConversion, type Converter } from "./conversion-review.ts";
import { readBody } from "./request-body.ts";

/** One path and what answers there; made by `defaulting`, `validating`, `converting`. */
export interface WebhookRoute {
  readonly path: string;
  readonly bodyLimitBytes: number;
  readonly answer: (review: unknown, signal: AbortSignal, onDefect: (error: unknown) => void) => Promise<object>;
}

/** An object and its predecessor are at most 3 MiB each; a conversion carries a page of a list. */
const admissionLimitBytes = 16 * 1024 * 1024;
const conversionLimitBytes = 256 * 1024 * 1024;

/** A mutating webhook at `path`, as "/mutate-infrastructure-cluster-x-k8s-io-v1beta2-microvmmachine". */
export function defaulting<T extends KubernetesObject>(path: string, defaulter: Defaulter<T>): WebhookRoute {
  return {
    path,
    bodyLimitBytes: admissionLimitBytes,
    answer: (review, signal, onDefect) => answerDefaulting(review, defaulter, signal, onDefect),
  };
}

export function validating<T extends KubernetesObject>(path: string, validator: Validator<T>): WebhookRoute {
  return {
    path,
    bodyLimitBytes: admissionLimitBytes,
    answer: (review, signal, onDefect) => answerValidating(review, validator, signal, onDefect),
  };
}

/** The conversion webhook, usually at "/convert". */
export function converting(path: string, converter: Converter): WebhookRoute {
  return {
    path,
    bodyLimitBytes: conversionLimitBytes,
    answer: (review, signal) => answerConversion(review, converter, signal),
  };
}

export interface WebhookServerOptions extends CertificateFiles {
  /** Absent = all addresses. */
  readonly host?: string;
  /** 0 = any free port. */
  readonly port: number;
  readonly routes: readonly WebhookRoute[];
  readonly tls?: TlsOptions;
  readonly clock?: Clock;
  readonly logger?: Logger;
  readonly metrics?: RuntimeMetrics;
}

export interface WebhookServer extends AsyncDisposable {
  readonly port: number;
  /** For `/healthz` and `/readyz`: throws when it does not serve. */
  check(): void;
}

const defaultTimeoutMs = 10_000;
const timeoutMaxMs = 30_000;

/** Throws `CONFIG_INVALID` without a certificate, when the address is taken, or when two routes have one path. */
export async function startWebhookServer(options: WebhookServerOptions): Promise<WebhookServer> {
  const {
    host,
    port,
    tls = {},
    clock = systemClock,
    logger = silentLogger,
    metrics,
    certificatePath,
    keyPath,
  } = options;
  const routes = new Map(options.routes.map((route) => [route.path, route]));
  if (routes.size !== options.routes.length) throw new PlatformError("CONFIG_INVALID", "two webhooks have one path");
  const certificate = await watchCertificate({
    certificatePath,
    keyPath,
    clock,
    logger,
    ...(metrics === undefined ? {} : { metrics }),
  });
  for (const path of routes.keys()) metrics?.webhookRequests.inc({ webhook: path, code: "200" }, 0);
  const handle = (request: IncomingMessage, response: ServerResponse): Promise<void> =>
    serve(request, response, { routes, clock, logger, metrics });
  const listener = await startListening(certificate, {
    port,
    handle,
    tls: { ...tls, certificate },
    ...(host === undefined ? {} : { host }),
  });
  logger.info("webhook.listening", { port: listener.port, paths: [...routes.keys()] });
  let serving = true;
  return {
    port: listener.port,
    check: () => {
      if (!serving) throw new PlatformError("UNAVAILABLE", "the webhook server has stopped");
    },
    [Symbol.asyncDispose]: async () => {
      serving = false;
      certificate[Symbol.dispose]();
      await listener.close();
    },
  };
}

async function startListening(
  certificate: ServingCertificate,
  options: Parameters<typeof listen>[0],
): Promise<Listener> {
  try {
    return await listen(options);
  } catch (error) {
    certificate[Symbol.dispose]();
    throw error;
  }
}

interface Serving {
  readonly routes: ReadonlyMap<string, WebhookRoute>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: RuntimeMetrics | undefined;
}

async function serve(request: IncomingMessage, response: ServerResponse, serving: Serving): Promise<void> {
  const { routes, clock, metrics } = serving;
  const url = new URL(request.url ?? "/", "https://webhook");
  const route = routes.get(url.pathname);
  if (route === undefined) return reply(response, 404, { message: `there is no webhook at ${url.pathname}` });
  const webhook = route.path;
  const startMs = clock.monotonicMs();
  metrics?.webhookInFlight.inc({ webhook });
  let code = 500;
  try {
    const answered = await answerWithin(request, url, route, serving);
    code = answered.code;
    reply(response, answered.code, answered.body);
  } finally {
    metrics?.webhookInFlight.dec({ webhook });
    metrics?.webhookRequests.inc({ webhook, code: String(code) });
    metrics?.webhookLatency.observe({ webhook }, (clock.monotonicMs() - startMs) / 1_000);
  }
}

async function answerWithin(
  request: IncomingMessage,
  url: URL,
  route: WebhookRoute,
  { clock, logger, metrics }: Serving,
): Promise<{ readonly code: number; readonly body: object }> {
  if (request.method !== "POST") return { code: 405, body: { message: "a webhook is called with POST" } };
  const onDefect = (error: unknown): void => {
    metrics?.webhookPanics.inc();
    logger.error("webhook.failed", { webhook: route.path, error });
  };
  try {
    const timeoutMs = timeoutOf(url.searchParams.get("timeout"));
    const work = async (signal: AbortSignal): Promise<object> => {
      const review = await readBody(request, route.bodyLimitBytes, signal);
      return route.answer(review, signal, onDefect);
    };
    return { code: 200, body: await withDeadline({ clock, timeoutMs, waitingFor: `the webhook ${route.path}` }, work) };
  } catch (caught) {
    const error = PlatformError.from(caught);
    const code = statuses[error.code] ?? 500;
    if (code === 500) onDefect(caught);
    else logger.warn("webhook.refused", { webhook: route.path, code, error: error.message });
    return { code, body: { message: error.message } };
  }
}

const statuses: Readonly<Partial<Record<string, number>>> = {
  REQUEST_INVALID: 400,
  CAPACITY_EXCEEDED: 413,
  DEADLINE_EXCEEDED: 504,
  CANCELLED: 499,
};

/** "10s", "500ms" or "1m0s" as Go writes durations; a little less, so that the answer still arrives. */
function timeoutOf(text: string | null): number {
  const units: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000 };
  const parts = [...(text ?? "").matchAll(/(\d+(?:\.\d+)?)(ms|s|m)/g)];
  const givenMs = parts.reduce((sum, [, count, unit]) => sum + Number(count) * (units[unit ?? ""] ?? 0), 0);
  return givenMs <= 0 ? defaultTimeoutMs : Math.min(givenMs, timeoutMaxMs) * 0.95;
}

function reply(response: ServerResponse, code: number, body: object): void {
  if (response.destroyed || response.headersSent) return;
  response.writeHead(code, { "content-type": "application/json" }).end(JSON.stringify(body));
}
