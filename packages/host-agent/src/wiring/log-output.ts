/** Where the log goes and in which form, as configured: JSON lines, or the same as text for people. */
import { createWriteStream } from "node:fs";
import { PlatformError } from "@liquidmetal/foundation";
import type { LogConfig } from "../config/index.ts";
import type { Logger } from "../observability/logger.ts";
import { createPinoLogger } from "../observability/pino-logger.ts";

/** Throws CONFIG_INVALID when the file cannot be opened. */
export async function openLog(config: LogConfig): Promise<Logger> {
  const stream = await openStream(config.output);
  const level = config.level === "trace" ? "debug" : config.level;
  const write =
    config.format === "json" ? (line: string) => stream.write(line) : (line: string) => stream.write(asText(line));
  return createPinoLogger({ level, destination: { write } });
}

async function openStream(output: string): Promise<NodeJS.WritableStream> {
  if (output === "stderr") return process.stderr;
  if (output === "stdout") return process.stdout;
  const file = createWriteStream(output, { flags: "a", mode: 0o640 });
  await new Promise<void>((resolve, reject) => {
    file.once("open", () => resolve());
    file.once("error", (error) =>
      reject(new PlatformError("CONFIG_INVALID", `log-output ${output}: ${error.message}`, { cause: error })),
    );
  });
  return file;
}

/** `2026-01-31T12:00:00.000Z INFO engine.started microVms=3`. */
function asText(line: string): string {
  const { time, level, event, ...fields } = JSON.parse(line) as Record<string, unknown>;
  const rest = Object.entries(fields).map(
    ([key, value]) => ` ${key}=${typeof value === "string" ? quoted(value) : JSON.stringify(value)}`,
  );
  return `${new Date(Number(time)).toISOString()} ${String(level).toUpperCase()} ${String(event)}${rest.join("")}\n`;
}

function quoted(value: string): string {
  return /^[\w./:@+-]+$/.test(value) ? value : JSON.stringify(value);
}
