/** What every instance serves, also while another one leads: webhooks, probes of the kubelet, metrics. */
import {
  type KubernetesClient,
  type Logger,
  type RuntimeMetrics,
  type Service,
  startHealthServer,
  startMetricsServer,
  startWebhookServer,
  type WebhookServer,
} from "@liquidmetal/kubernetes";
import type { Settings } from "../command-line/settings.ts";
import { webhookRoutes } from "../webhooks/index.ts";

export interface ServersOptions {
  readonly settings: Settings;
  /** Asks the API server who may read the metrics. */
  readonly client: KubernetesClient;
  readonly logger: Logger;
  readonly metrics: RuntimeMetrics;
}

/** In the order in which they are started: who asks whether we are ready shall find the webhooks. */
export function servers({ settings, client, logger, metrics }: ServersOptions): readonly Service[] {
  const { webhook, health, diagnostics, tls } = settings;
  let webhooks: WebhookServer | undefined;
  const services: Service[] = [];
  if (webhook !== undefined) {
    services.push({
      name: "webhooks",
      start: async () => {
        webhooks = await startWebhookServer({ ...webhook, routes: webhookRoutes(), tls, logger, metrics });
        return webhooks;
      },
    });
  }
  const checks = webhook === undefined ? {} : { webhook: () => webhooks?.check() };
  services.push({ name: "health", start: () => startHealthServer({ ...health, healthz: checks, readyz: checks }) });
  if (diagnostics !== undefined) {
    const { insecure, ...address } = diagnostics;
    const secured = insecure ? {} : { secured: { ...tls, client } };
    services.push({ name: "metrics", start: () => startMetricsServer({ ...address, ...secured, metrics, logger }) });
  }
  return services;
}
