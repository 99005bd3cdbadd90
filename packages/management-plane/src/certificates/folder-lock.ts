/**
 * One writer at a time in a folder: `lm up` and the keeper renew the same certificates. The kernel gives the lock back when its holder dies, however it dies.
 * SQLite's file lock, because Node has none of its own.
 */
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type Clock, PlatformError, sleep } from "@liquidmetal/foundation";

export interface FolderLockOptions {
  readonly clock: Clock;
  /** How long others may hold it, milliseconds. Default 60,000. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

const lookMs = 25;

/** Runs the work while nobody else does such work in this folder. UNAVAILABLE when somebody holds the lock for too long. */
export async function alone<T>(folder: string, options: FolderLockOptions, work: () => Promise<T>): Promise<T> {
  const { clock, timeoutMs = 60_000, signal = new AbortController().signal } = options;
  const path = join(folder, ".lock");
  const deadlineMs = clock.monotonicMs() + timeoutMs;
  let database = taken(path);
  while (database === undefined) {
    if (clock.monotonicMs() > deadlineMs) {
      throw new PlatformError("UNAVAILABLE", `another process holds ${path}`);
    }
    await sleep(clock, lookMs, signal);
    database = taken(path);
  }
  try {
    return await work();
  } finally {
    database.close();
  }
}

function taken(path: string): DatabaseSync | undefined {
  const database = new DatabaseSync(path);
  try {
    database.exec("PRAGMA busy_timeout = 0; PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE");
    return database;
  } catch (error) {
    database.close();
    // "database is locked" is no failure; a file that cannot be had is.
    if (error instanceof Error && /locked|busy/i.test(error.message)) return undefined;
    throw PlatformError.from(error, "INTERNAL", `${path} cannot be locked`);
  }
}
