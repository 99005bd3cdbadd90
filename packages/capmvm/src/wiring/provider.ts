/**
 * capmvm as a whole. The webhooks and probes serve from the beginning, on every instance: the API server needs them to convert objects before anybody can
 * list them. The caches fill while an instance waits to lead, so that it takes over at once. Only the leader's controllers run.
 *
 * Whoever loses the lease stops at once and ends; it is started again by whoever started it.
 */
import { hostname } from "node:os";
import { type Clock, type Entropy, systemClock, systemEntropy } from "@liquidmetal/foundation";
import {
  type ClusterConfiguration,
  type KubernetesClient,
  type Logger,
  leaderIdentity,
  RuntimeMetrics,
  runAsLeader,
  startWebhookServer,
} from "@liquidmetal/kubernetes";
import type { Settings } from "../command-line/settings.ts";
import { webhookRoutes } from "../webhooks/index.ts";
import { type Caches, cachesSynced, openCaches, runCaches } from "./caches.ts";
import { type ObjectEvents, startControllers } from "./controllers.ts";
import { clusterConfiguration, managementClient, managementPlaneId } from "./management-cluster.ts";
import { startServers } from "./servers.ts";

/** Upstream's: of this provider and of upstream's only one works at a time. */
const leaseName = "controller-leader-elect-capmvm";
/** What a reconcile that is under way may still take when the process is asked to end. */
const graceMs = 10_000;

export interface ProviderOptions {
  readonly settings: Settings;
  readonly logger: Logger;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Ends it in order. */
  readonly stop: AbortSignal;
}

/** Resolves when it has ended as asked. Throws CONFIG_INVALID, KUBECONFIG_INVALID, LEADERSHIP_LOST. */
export async function runProvider({ settings, logger, environment, stop }: ProviderOptions): Promise<void> {
  const clock = systemClock;
  const entropy = systemEntropy;
  const metrics = new RuntimeMetrics({ processMetrics: true });
  const configuration = await clusterConfiguration(settings);
  const { cluster, machine, machinePool, machineTemplate } = settings.concurrency;
  await using stack = new AsyncDisposableStack();
  const client = managementClient(configuration, {
    logger,
    metrics,
    connections: Math.min(1_000, cluster + machine + machinePool + machineTemplate + 8),
  });
  stack.defer(() => client.close());
  const webhooks =
    settings.webhook === undefined
      ? undefined
      : stack.use(
          await startWebhookServer({
            ...settings.webhook,
            routes: webhookRoutes(),
            tls: settings.tls,
            clock,
            logger,
            metrics,
          }),
        );
  stack.use(await startServers({ settings, metrics, logger, client, check: () => webhooks?.check() }));
  const ended = new AbortController();
  const until = AbortSignal.any([stop, ended.signal]);
  const caches = openCaches(client, { logger, ...(settings.namespace && { namespace: settings.namespace }) });
  const cachesEnded = runCaches(caches, ended.signal);
  stack.defer(async () => {
    ended.abort();
    await cachesEnded;
  });
  logger.info("capmvm.ready", { webhookPort: webhooks?.port ?? 0, leaderElection: settings.leaderElection.enabled });
  const work = (lost: AbortSignal): Promise<void> =>
    lead({ settings, client, caches, clock, entropy, logger, metrics, stop: until, lost, events: silentEvents });
  if (!settings.leaderElection.enabled) return await work(new AbortController().signal);
  const { leaseDurationMs, renewDeadlineMs, retryPeriodMs } = settings.leaderElection;
  await runAsLeader(
    {
      ...{ client, clock, entropy, logger, leaseDurationMs, renewDeadlineMs, retryPeriodMs },
      lease: { namespace: leaseNamespace(settings, environment, configuration), name: leaseName },
      identity: leaderIdentity(environment["POD_NAME"] ?? hostname(), entropy),
      onLeading: (leading) => metrics.leader.set({ name: leaseName }, leading ? 1 : 0),
    },
    work,
    stop,
  );
}

const silentEvents: ObjectEvents = { normal: () => undefined, warning: () => undefined };

interface Leading {
  readonly settings: Settings;
  readonly client: KubernetesClient;
  readonly caches: Caches;
  readonly events: ObjectEvents;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly logger: Logger;
  readonly metrics: RuntimeMetrics;
  /** End in order. */
  readonly stop: AbortSignal;
  /** End at once. */
  readonly lost: AbortSignal;
}

/** From the moment of leading until it ends. */
async function lead(leading: Leading): Promise<void> {
  const { caches, client, clock, entropy, logger, stop, lost } = leading;
  const signal = AbortSignal.any([stop, lost]);
  try {
    const managementPlane = await managementPlaneId(client, { clock, entropy, logger, signal });
    await cachesSynced(caches, signal);
    const controllers = startControllers({ ...leading, managementPlane });
    logger.info("capmvm.working", { managementPlane });
    await aborted(signal);
    await controllers.stop({ graceMs: lost.aborted ? 0 : graceMs, reason: signal.reason });
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

function leaseNamespace(
  settings: Settings,
  environment: ProviderOptions["environment"],
  configuration: ClusterConfiguration,
): string {
  return settings.leaderElection.namespace ?? environment["POD_NAMESPACE"] ?? configuration.namespace;
}
