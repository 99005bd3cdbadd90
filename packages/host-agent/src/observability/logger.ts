/**
 * Port: logs as events.
 *
 * `event` is a stable name in dotted snake case (`step.failed`), never free text and never anything that a guest said. Fields carry their
 * units in their names. Secrets are never passed; the adapter redacts well-known keys all the same.
 */
export type LogFields = Readonly<Record<string, unknown>>;

export interface Logger {
  debug(event: string, fields?: LogFields): void;
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
}

/** Drops everything: for tests and for callers that do not care. */
export const silentLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};
