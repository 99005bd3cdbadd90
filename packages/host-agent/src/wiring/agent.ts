/**
 * The agent, put together: the one place that knows every adapter.
 *
 * Order matters. The journal's lock comes first (one agent a state directory), then the spawner, then everything that works through it; the API listens last,
 * when all microVMs have been taken over. Stopping goes the other way and harms no guest.
 */
import { join } from "node:path";
import { systemClock, systemEntropy, unwrap } from "@liquidmetal/foundation";
import { NoCloudMetadata } from "@liquidmetal/guest-metadata";
import type { Journal, Spawner } from "@liquidmetal/microvm";
import { startSpawner } from "@liquidmetal/spawner";
import { type ApiServers, startApiServers } from "../api/index.ts";
import type { AgentConfig } from "../config/index.ts";
import { createEngine, type Engine } from "../engine/engine.ts";
import { failpointsFromEnvironment } from "../engine/failpoints.ts";
import { createHostDirectories } from "../engine/host-directories.ts";
import { openSqliteJournal } from "../journal/sqlite-journal.ts";
import type { Logger } from "../observability/logger.ts";
import { createPrometheusMetrics } from "../observability/prometheus.ts";
import { announcingImageStore } from "./announcing-image-store.ts";
import { startDebugServer } from "./debug-server.ts";
import { engineConfig } from "./engine-config.ts";
import { describeHost, hostIdentity } from "./host-description.ts";
import { createHypervisors } from "./hypervisors.ts";
import { usersOfImage } from "./image-users.ts";
import { createNetwork } from "./network.ts";
import { createSharedFolders } from "./shared-folders.ts";
import { openStores } from "./stores.ts";

export interface RunningAgent {
  readonly engine: Engine;
  readonly addresses: ApiServers["addresses"];
  /** Stops working and listening; guests live on. Idempotent. */
  stop(): Promise<void>;
}

/** Starts everything. Throws a `PlatformError` when it cannot; what was started by then has been stopped. */
export async function startAgent(config: AgentConfig, version: string, logger: Logger): Promise<RunningAgent> {
  const started: (() => Promise<void> | void)[] = [];
  const stop = async (): Promise<void> => {
    for (const end of started.splice(0).reverse()) await end();
  };
  try {
    const journal = openSqliteJournal({ path: join(config.stateDir, "journal", "journal.db") });
    started.push(() => journal.close());
    const spawner = await startSpawner({
      onNotice: (message) => logger.warn("spawner.notice", { message }),
      onRestart: (pid) => logger.warn("spawner.restarted", { pid }),
    });
    started.push(() => spawner.close());
    const metrics = createPrometheusMetrics({ version });
    const { engine, images } = await assembleEngine({ config, version, logger, journal, spawner, metrics });
    started.push(() => engine.close());
    metrics.attach(engine);
    unwrap(await engine.start());
    const servers = await startApiServers({ application: engine, images, config, log: logger, metrics });
    started.push(() => servers.stop());
    if (config.debugEndpoint !== undefined) {
      const debug = await startDebugServer({ address: config.debugEndpoint, metrics, engine, logger });
      started.push(() => debug.stop());
    }
    return { engine, addresses: servers.addresses, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

interface Parts {
  readonly config: AgentConfig;
  readonly version: string;
  readonly logger: Logger;
  readonly journal: Journal;
  readonly spawner: Spawner;
  readonly metrics: ReturnType<typeof createPrometheusMetrics>;
}

async function assembleEngine(
  parts: Parts,
): Promise<{ engine: Engine; images: Awaited<ReturnType<typeof openStores>>["images"] }> {
  const { config, version, logger, journal, spawner, metrics } = parts;
  const hostId = hostIdentity(journal, systemEntropy);
  const platform = config.platformName === "" ? `h${hostId.slice(0, 8)}` : config.platformName;
  const { stateDir, runDir } = config;
  // The engine is made of the stores, and the stores ask the engine who uses an image: so the question is passed on late.
  let engine: Engine | undefined;
  const stores = await openStores(config, spawner, (reference) => usersOfImage(reference, engine?.list({}) ?? []));
  const network = createNetwork({ config, platform, journal, spawner, clock: systemClock, logger });
  // What the network can do is found out in its namespace, so that has to be there; the engine reports it if it cannot be made.
  await network.ensureEmbedded();
  const { hypervisors, defaultProvider } = createHypervisors({ config, spawner, logger });
  const sharedFolders = createSharedFolders(config, spawner);
  engine = createEngine({
    clock: systemClock,
    entropy: systemEntropy,
    journal,
    hypervisors,
    images: stores.images,
    files: stores.files,
    blockStores: stores.blockStores,
    ...(sharedFolders === undefined ? {} : { sharedFolders }),
    network,
    metadata: new NoCloudMetadata(),
    spawner,
    directories: createHostDirectories({ stateDir, runDir }),
    host: await describeHost({ hostId, version, labels: config.labels, network }),
    logger,
    metrics,
    failpoints: failpointsFromEnvironment(process.env),
    config: engineConfig(config, platform, defaultProvider),
  });
  const made = engine;
  return { engine, images: announcingImageStore(stores.images, () => made.nudge()) };
}
