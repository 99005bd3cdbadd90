/** From the agent's configuration to the engine's. */
import type { AgentConfig } from "../config/index.ts";
import { defaultEngineConfig, type EngineConfig } from "../engine/dependencies.ts";

/** VMMs get user ids from here, one each: high above what distributions and container engines give out. */
const vmmUserIds = { first: 1_900_000_000, count: 60_000 };

export function engineConfig(config: AgentConfig, platform: string, defaultProvider: string): EngineConfig {
  const { engine, capacity, stateDir, runDir } = config;
  const isRoot = process.getuid?.() === 0;
  return {
    ...defaultEngineConfig,
    stateDir,
    runDir,
    defaultProvider,
    defaultRestartPolicy: engine.restartPolicy,
    reconcile: engine.reconcile,
    concurrency: engine.concurrency,
    overcommit: { vcpu: capacity.overcommitVcpu, memory: capacity.overcommitMemory },
    reservedMemoryMiB: capacity.reserveMemoryMiB,
    ...(isRoot ? { vmmUserIds, cgroupParent: platform } : {}),
    retry: { ...defaultEngineConfig.retry, failedAfterAttempts: engine.maximumRetry },
    gracefulStopMs: engine.deleteTimeoutMs,
    resyncMs: engine.resyncPeriodMs,
  };
}
