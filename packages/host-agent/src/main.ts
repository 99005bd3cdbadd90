#!/usr/bin/env node
/**
 * flintlockd: the host agent.
 *
 * Standard output carries what was asked for (`version`, `config show`), the log goes where the configuration says. Exit codes: 0 ended as asked,
 * 1 failed, 2 the command line or configuration is wrong.
 */
import { readFileSync } from "node:fs";
import { PlatformError } from "@liquidmetal/foundation";
import { type LoadedConfig, loadFor, parseCommandLine, showConfig, showVersion } from "./config/index.ts";
import { createNotifier } from "./notify.ts";
import { ownVersion } from "./version.ts";
import { startAgent } from "./wiring/agent.ts";
import { openLog } from "./wiring/log-output.ts";

function readConfigFile(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}

async function main(argv: readonly string[]): Promise<number> {
  const line = parseCommandLine(argv);
  if (!line.ok) return usageError(line.error);
  switch (line.value.command) {
    case "help":
      process.stdout.write(line.value.text);
      return 0;
    case "version":
      process.stdout.write(showVersion(ownVersion, line.value.form));
      return 0;
    case "config-show":
    case "run": {
      const loaded = loadFor(line.value, process.env, readConfigFile);
      if (!loaded.ok) return usageError(loaded.error);
      if (line.value.command === "run") return await run(loaded.value);
      process.stdout.write(showConfig(loaded.value, line.value.origin));
      return 0;
    }
    default:
      return line.value satisfies never;
  }
}

async function run({ config, warnings }: LoadedConfig): Promise<number> {
  const logger = await openLog(config.log);
  for (const warning of warnings) logger.warn("config.warning", { warning });
  const stopped = Promise.withResolvers<string>();
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => stopped.resolve(signal));
  // A closed log must not end the agent.
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined);
  process.on("unhandledRejection", (error) => logger.error("agent.defect", { error }));
  const agent = await startAgent(config, ownVersion.version, logger);
  const notifier = createNotifier({ environment: process.env, healthy: () => agent.engine.healthy() });
  notifier.ready(`serving on ${[...agent.addresses.grpc, ...agent.addresses.http].join(", ")}`);
  logger.info("agent.ready", { version: ownVersion.version, ...agent.addresses });
  const signal = await stopped.promise;
  logger.info("agent.stopping", { signal });
  notifier.stopping();
  await agent.stop();
  logger.info("agent.stopped");
  return 0;
}

function usageError(error: PlatformError): number {
  process.stderr.write(`error: ${error.message}\nhint: ${error.remedy}\n`);
  return 2;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (caught) {
  const error = PlatformError.from(caught);
  process.stderr.write(`error: ${error.message}\nhint: ${error.remedy}\n`);
  if (error.code === "INTERNAL" && caught instanceof Error) process.stderr.write(`${caught.stack}\n`);
  process.exitCode = error.code === "CONFIG_INVALID" ? 2 : 1;
}
// Whatever still holds the event loop has had its deadline.
process.exit();
