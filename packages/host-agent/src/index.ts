/** The host agent's engine and its adapters, for `main` to wire. */
export type * from "./engine/application.ts";
export {
  defaultEngineConfig,
  type EngineConfig,
  type EngineDependencies,
  type HostDescription,
  type RetryConfig,
} from "./engine/dependencies.ts";
export { createEngine, type Engine, type EngineStatistics, type MicroVmUsage } from "./engine/engine.ts";
export { type Failpoints, failpointsFromEnvironment, noFailpoints } from "./engine/failpoints.ts";
export { createHostDirectories, type DirectoryRoots, type HostDirectories } from "./engine/host-directories.ts";
export { restartPolicyLabel } from "./engine/restart-policy.ts";
export type { SharedFolderRequest, SharedFolders } from "./engine/shared-folders.ts";
export type { StartReport } from "./engine/startup.ts";
export { openSqliteJournal, type SqliteJournalOptions } from "./journal/sqlite-journal.ts";
export { type LogFields, type Logger, silentLogger } from "./observability/logger.ts";
export { type EngineMetrics, noMetrics, type StepOutcome } from "./observability/metrics.ts";
export { createPinoLogger, type PinoLoggerOptions } from "./observability/pino-logger.ts";
export { createPrometheusMetrics, type PrometheusMetrics, type PrometheusOptions } from "./observability/prometheus.ts";
