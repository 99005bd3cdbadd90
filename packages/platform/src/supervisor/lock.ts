/**
 * One supervisor per state directory: an exclusive lock that the kernel gives back when its holder dies, however it dies.
 * SQLite's file lock, because Node has no flock of its own.
 */
import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";

export interface Lock extends Disposable {
  readonly path: string;
}

/** The lock, or `undefined` when another process holds it. */
export function takeLock(path: string): Lock | undefined {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const database = new DatabaseSync(path);
  try {
    database.exec("PRAGMA busy_timeout = 0; PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE");
  } catch {
    database.close();
    return undefined;
  }
  return { path, [Symbol.dispose]: () => database.close() };
}
