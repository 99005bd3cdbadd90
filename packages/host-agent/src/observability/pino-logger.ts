/** The logger over pino: one JSON object a line, level names as text, secrets censored whatever level they are passed at. */
import { PlatformError } from "@liquidmetal/foundation";
import { type DestinationStream, type LoggerOptions, pino } from "pino";
import type { LogFields, Logger } from "./logger.ts";

export interface PinoLoggerOptions {
  /** Default `info`. */
  readonly level?: "debug" | "info" | "warn" | "error";
  /** Where lines go. Default: standard output. */
  readonly destination?: DestinationStream;
  /** Fields of every line. */
  readonly base?: Readonly<Record<string, string>>;
}

/** Keys whose values never reach a log, at the top and one or two levels down. */
const secretKeys: readonly string[] = [
  "metadata",
  "userData",
  "user-data",
  "password",
  "secret",
  "authorization",
  "basicAuthToken",
  "credentials",
  "privateKey",
];

export function createPinoLogger(options: PinoLoggerOptions = {}): Logger {
  const { level = "info", destination, base = {} } = options;
  const settings: LoggerOptions = {
    level,
    base,
    messageKey: "event",
    formatters: { level: (label) => ({ level: label }) },
    redact: {
      paths: secretKeys.flatMap((key) => [`["${key}"]`, `*["${key}"]`, `*.*["${key}"]`]),
      censor: "[redacted]",
    },
  };
  const backend = destination === undefined ? pino(settings) : pino(settings, destination);
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
  return error === undefined ? rest : { ...rest, error: describe(error) };
}

function describe(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause === undefined || depth > 3 ? {} : { cause: describe(error.cause, depth + 1) };
  if (error instanceof PlatformError) {
    return { code: error.code, message: error.message, details: error.details, ...cause };
  }
  return { name: error.name, message: error.message, stack: error.stack, ...cause };
}
