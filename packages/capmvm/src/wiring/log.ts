/** The log over pino: one event a line, as JSON or as text for people. What is secret is censored whatever it is passed with. */
import { PlatformError } from "@liquidmetal/foundation";
import { ApiError, type LogFields, type Logger } from "@liquidmetal/kubernetes";
import { type DestinationStream, pino } from "pino";
import type { Settings } from "../command-line/settings.ts";

/** Keys whose values never reach a log, at the top and one or two levels down. */
const secretKeys: readonly string[] = [
  "metadata",
  "user-data",
  "userData",
  "token",
  "password",
  "secret",
  "authorization",
  "privateKey",
  "kubeconfig",
];

/** Lines go to standard error, as those of other controllers do, unless `destination` is given. */
export function openLog(settings: Settings["log"], destination: DestinationStream = process.stderr): Logger {
  const write = (line: string): void => {
    destination.write(settings.format === "json" ? line : asText(line));
  };
  const backend = pino(
    {
      level: settings.level,
      base: {},
      messageKey: "event",
      formatters: { level: (label) => ({ level: label }) },
      redact: {
        paths: secretKeys.flatMap((key) => [`["${key}"]`, `*["${key}"]`, `*.*["${key}"]`]),
        censor: "[redacted]",
      },
    },
    { write },
  );
  return {
    debug: (event, fields) => backend.debug(plain(fields), event),
    info: (event, fields) => backend.info(plain(fields), event),
    warn: (event, fields) => backend.warn(plain(fields), event),
    error: (event, fields) => backend.error(plain(fields), event),
  };
}

/** An `error` field becomes code, message and causes; everything else stays as it is. */
function plain(fields: LogFields = {}): Record<string, unknown> {
  const { error, ...rest } = fields;
  return error === undefined ? rest : { ...rest, error: described(error) };
}

function described(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause === undefined || depth > 3 ? {} : { cause: described(error.cause, depth + 1) };
  if (error instanceof ApiError) return { code: error.code, message: error.message, ...cause };
  if (error instanceof PlatformError) {
    return { code: error.code, message: error.message, details: error.details, ...cause };
  }
  return { name: error.name, message: error.message, stack: error.stack, ...cause };
}

/** `2026-01-31T12:00:00.000Z INFO capmvm.ready webhookPort=9443`. */
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
