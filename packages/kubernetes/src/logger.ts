/**
 * Port: logs as events. The shape is that of every agent of this product, so that one adapter serves all.
 *
 * `event` is a stable name in dotted snake case (`reconcile.failed`), never free text. Fields carry their units in their names. Secrets are never passed.
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
