/**
 * The journal's schema and its version.
 *
 * `user_version` counts layouts, `application_id` says that the file is ours. A file of a newer layout is refused before anything is written; an
 * older one is brought forward one version at a time, in one transaction.
 */
import type { DatabaseSync } from "node:sqlite";
import { PlatformError } from "@liquidmetal/foundation";

/** "LMvm" in ASCII. */
const applicationId = 0x4c4d766d;

/** Each brings a file from the version of its index to the next. */
const migrations: readonly string[] = [
  `CREATE TABLE records (uid TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT, WITHOUT ROWID;
   CREATE TABLE events (
     position INTEGER PRIMARY KEY AUTOINCREMENT,
     at_ms INTEGER NOT NULL, uid TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL,
     severity TEXT NOT NULL, reason TEXT NOT NULL, message TEXT NOT NULL
   ) STRICT;
   CREATE INDEX events_by_uid ON events (uid, position);
   CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;`,
];

export const schemaVersion: number = migrations.length;

/** Throws STATE_TOO_NEW or STATE_CORRUPT before anything is written. */
export function checkSchema(database: DatabaseSync, path: string): number {
  const version = pragma(database, "user_version");
  const owner = pragma(database, "application_id");
  if (version > schemaVersion && owner === applicationId) {
    throw new PlatformError("STATE_TOO_NEW", `${path} has layout ${version}, this version knows ${schemaVersion}`);
  }
  const empty = pragma(database, "schema_version") === 0;
  if (!empty && owner !== applicationId) throw new PlatformError("STATE_CORRUPT", `${path} is not a journal of ours`);
  const check = database.prepare("PRAGMA quick_check(1)").get()?.["quick_check"];
  if (check !== "ok") throw new PlatformError("STATE_CORRUPT", `${path}: ${String(check)}`);
  return version;
}

export function migrate(database: DatabaseSync, fromVersion: number): void {
  if (fromVersion === schemaVersion) return;
  database.exec("BEGIN IMMEDIATE");
  for (const migration of migrations.slice(fromVersion)) database.exec(migration);
  database.exec(`PRAGMA user_version = ${schemaVersion}; PRAGMA application_id = ${applicationId}; COMMIT`);
}

function pragma(database: DatabaseSync, name: string): number {
  const value = database.prepare(`PRAGMA ${name}`).get()?.[name];
  return typeof value === "number" ? value : 0;
}
