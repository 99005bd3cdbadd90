#!/usr/bin/env node
/**
 * capmvm: the Cluster API infrastructure provider for microVMs.
 *
 * Standard output carries what was asked for (`--version`), the log goes to standard error. Exit codes: 0 ended as asked, 1 failed or lost the lease,
 * 2 the command line is wrong.
 */
import inspector from "node:inspector";
import { PlatformError } from "@liquidmetal/foundation";
import { parseCommandLine } from "./command-line/command-line.ts";
import type { Settings } from "./command-line/settings.ts";
import { ownVersion } from "./version.ts";
import { openLog } from "./wiring/log.ts";
import { runProvider } from "./wiring/provider.ts";

async function main(argv: readonly string[]): Promise<number> {
  const line = parseCommandLine(argv, process.env);
  if (!line.ok) {
    complain(line.error);
    return 2;
  }
  switch (line.value.command) {
    case "help":
      process.stdout.write(line.value.text);
      return 0;
    case "version":
      process.stdout.write(`capmvm ${ownVersion.version} (${ownVersion.commitHash})\n`);
      return 0;
    case "run":
      await run(line.value.settings, line.value.ignored);
      return 0;
    default:
      return line.value satisfies never;
  }
}

async function run(settings: Settings, ignored: readonly string[]): Promise<void> {
  const logger = openLog(settings.log);
  const stop = new AbortController();
  for (const name of ["SIGTERM", "SIGINT"] as const) {
    process.on(name, () => {
      if (!stop.signal.aborted) logger.info("capmvm.stopping", { signal: name });
      stop.abort(new PlatformError("CANCELLED", `capmvm was asked to end (${name})`));
    });
  }
  // A closed log must not end the controller.
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined);
  process.on("unhandledRejection", (error) => logger.error("capmvm.defect", { error }));
  for (const flag of ignored) logger.warn("flag.ignored", { flag });
  const { version, commitHash } = ownVersion;
  logger.info("capmvm.starting", { version, commitHash });
  if (settings.profiler !== undefined) inspector.open(settings.profiler.port, settings.profiler.host ?? "0.0.0.0");
  await runProvider({ settings, logger, environment: process.env, stop: stop.signal });
  logger.info("capmvm.stopped");
}

function complain(error: PlatformError): void {
  process.stderr.write(`error: ${error.message}\nhint: ${error.remedy}\n`);
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (caught) {
  const error = PlatformError.from(caught);
  complain(error);
  if (error.code === "INTERNAL" && caught instanceof Error) process.stderr.write(`${caught.stack}\n`);
  process.exitCode = error.code === "CONFIG_INVALID" || error.code === "KUBECONFIG_INVALID" ? 2 : 1;
}
// Whatever still holds the event loop has had its deadline.
process.exit();
