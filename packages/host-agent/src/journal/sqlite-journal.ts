/**
 * The journal over SQLite (`node:sqlite`): one file, write-ahead log, full sync.
 *
 * `commit` returns when the data is on the disk. A relaxed one is written to the log without waiting for the disk (`synchronous = NORMAL`): the log
 * stays consistent and in order, and the next full commit takes it along. The file is held by an exclusive lock from open to close; the kernel drops it when the
 * process dies, however it dies, so there is no stale lock to clean. Records hold user data: the file is 0600 in a directory 0700.
 * On a full disk a reserve is given up for changes of what is there: a microVM can be deleted although there is no room left.
 */
import { chmodSync, closeSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync, type SQLOutputValue, type StatementSync } from "node:sqlite";
import { type ErrorCode, PlatformError } from "@liquidmetal/foundation";
import type { Durability, EventRecord, Journal, MicroVmRecord, NewEvent } from "@liquidmetal/microvm";
import { DiskReserve } from "./disk-reserve.ts";
import { checkSchema, migrate } from "./schema.ts";

export interface SqliteJournalOptions {
  /** Absolute path of the file; made, with its directory, when it is not there. */
  readonly path: string;
  /** Events kept. Default 10,000. */
  readonly eventsMax?: number;
  /** Identity of this boot of the host: another one than last time may mean a power cut. Default: the kernel's. */
  readonly bootId?: string;
  /** Shown the open database; for tests that make it full. */
  readonly onOpen?: (database: DatabaseSync) => void;
}

/** Opens and locks. Throws STATE_LOCKED, STATE_TOO_NEW, STATE_CORRUPT (nothing was changed), DISK_FULL. */
export function openSqliteJournal(options: SqliteJournalOptions): Journal {
  const { path, eventsMax = 10_000, bootId = kernelBootId() } = options;
  return guarded(path, () => {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    closeSync(openSync(path, "a", 0o600));
    chmodSync(path, 0o600);
    const database = new DatabaseSync(path, { timeout: 0 });
    try {
      prepareDatabase(database, path);
      skipLostPositions(database, bootId);
      options.onOpen?.(database);
      return new SqliteJournal(database, path, eventsMax);
    } catch (error) {
      database.close();
      throw error;
    }
  });
}

function prepareDatabase(database: DatabaseSync, path: string): void {
  database.exec("PRAGMA locking_mode = EXCLUSIVE");
  const version = checkSchema(database, path);
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
  // Takes the exclusive lock now, not at the first commit.
  database.exec("BEGIN IMMEDIATE; COMMIT");
  migrate(database, version);
}

/** More events than can have been written since the last full sync. */
const positionsSkipped = 1_000;

/** After a restart of the host the newest events may be missing: their positions, which watchers have seen, are left out. */
function skipLostPositions(database: DatabaseSync, bootId: string): void {
  const known = database.prepare("SELECT value FROM settings WHERE key = 'journal.boot'").get()?.["value"];
  if (known === bootId) return;
  database.exec("BEGIN IMMEDIATE");
  if (known !== undefined) {
    database.prepare("UPDATE sqlite_sequence SET seq = seq + ? WHERE name = 'events'").run(positionsSkipped);
  }
  database.prepare("INSERT OR REPLACE INTO settings (key, value) VALUES ('journal.boot', ?)").run(bootId);
  database.exec("COMMIT");
}

function kernelBootId(): string {
  return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
}

class SqliteJournal implements Journal {
  readonly #database: DatabaseSync;
  readonly #path: string;
  readonly #eventsMax: number;
  readonly #reserve: DiskReserve;
  readonly #putRecord: StatementSync;
  readonly #deleteRecord: StatementSync;
  readonly #putEvent: StatementSync;
  readonly #trimEvents: StatementSync;
  readonly #eventsOfAll: StatementSync;
  readonly #eventsOfOne: StatementSync;
  #last: number;
  #durability: Durability = "full";

  constructor(database: DatabaseSync, path: string, eventsMax: number) {
    this.#database = database;
    this.#path = path;
    this.#eventsMax = eventsMax;
    this.#reserve = new DiskReserve(`${path}.reserve`);
    const put = "INSERT INTO records (uid, body) VALUES (?, ?) ON CONFLICT (uid) DO UPDATE SET body = excluded.body";
    this.#putRecord = database.prepare(put);
    this.#deleteRecord = database.prepare("DELETE FROM records WHERE uid = ?");
    const columns = "at_ms, uid, namespace, name, severity, reason, message";
    this.#putEvent = database.prepare(`INSERT INTO events (${columns}) VALUES (?, ?, ?, ?, ?, ?, ?)`);
    this.#trimEvents = database.prepare("DELETE FROM events WHERE position <= ?");
    const select = `SELECT position, ${columns} FROM events WHERE position > ?`;
    this.#eventsOfAll = database.prepare(`${select} ORDER BY position LIMIT ?`);
    this.#eventsOfOne = database.prepare(`${select} AND uid = ? ORDER BY position LIMIT ?`);
    const sequence = database.prepare("SELECT seq FROM sqlite_sequence WHERE name = 'events'").get()?.["seq"];
    this.#last = typeof sequence === "number" ? sequence : 0;
  }

  load(): readonly MicroVmRecord[] {
    return this.#guard(() =>
      this.#database
        .prepare("SELECT uid, body FROM records ORDER BY uid")
        .all()
        .map((row) => parseRecord(text(row["uid"]), text(row["body"]), this.#path)),
    );
  }

  commit(
    record: MicroVmRecord,
    events: readonly NewEvent[] = [],
    durability: Durability = "full",
  ): readonly EventRecord[] {
    const write = (): readonly EventRecord[] =>
      this.#write(durability, events, () => this.#putRecord.run(record.uid, JSON.stringify(record)));
    if (record.version > 1) return this.#withReserve(write);
    // What is new has no claim to the reserve: it is for what is there already.
    if (!this.#reserve.hold())
      throw new PlatformError("DISK_FULL", `${this.#path}: there is no room for a new microVM`);
    return write();
  }

  forget(uid: string, events: readonly NewEvent[] = []): readonly EventRecord[] {
    const forgotten = this.#withReserve(() => this.#write("relaxed", events, () => this.#deleteRecord.run(uid)));
    this.#reserve.hold();
    return forgotten;
  }

  events(filter: {
    readonly uid?: string;
    readonly afterPosition?: number;
    readonly limit?: number;
  }): readonly EventRecord[] {
    const { uid, afterPosition = 0, limit = this.#eventsMax } = filter;
    return this.#guard(() => {
      const rows =
        uid === undefined
          ? this.#eventsOfAll.all(afterPosition, limit)
          : this.#eventsOfOne.all(afterPosition, uid, limit);
      return rows.map(parseEvent);
    });
  }

  lastPosition(): number {
    return this.#last;
  }

  firstPosition(): number {
    return this.#last === 0 ? 0 : Math.max(1, this.#last - this.#eventsMax + 1);
  }

  setting(key: string): string | undefined {
    return this.#guard(() => {
      const value = this.#database.prepare("SELECT value FROM settings WHERE key = ?").get(key)?.["value"];
      return value === undefined ? undefined : text(value);
    });
  }

  setSetting(key: string, value: string): void {
    const put =
      "INSERT INTO settings (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value";
    this.#guard(() => {
      this.#sync("full");
      this.#database.prepare(put).run(key, value);
    });
  }

  close(): void {
    if (this.#database.isOpen) this.#database.close();
  }

  /** One transaction: all of it or nothing. A change without events is a transaction by itself. */
  #write(durability: Durability, events: readonly NewEvent[], change: () => void): readonly EventRecord[] {
    return this.#guard(() => {
      this.#sync(durability);
      if (events.length === 0) {
        change();
        return [];
      }
      this.#database.exec("BEGIN IMMEDIATE");
      try {
        change();
        const written = events.map((event) => ({ position: this.#append(event), ...event }));
        const last = written.at(-1)?.position ?? this.#last;
        this.#trimEvents.run(last - this.#eventsMax);
        this.#database.exec("COMMIT");
        this.#last = last;
        return written;
      } catch (error) {
        // A full disk may have rolled it back already.
        if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
        throw error;
      }
    });
  }

  /** Once more, with the reserve, when the disk is full. */
  #withReserve<T>(write: () => T): T {
    try {
      return write();
    } catch (error) {
      if (!(error instanceof PlatformError && error.code === "DISK_FULL" && this.#reserve.release())) throw error;
      return write();
    }
  }

  #sync(durability: Durability): void {
    if (this.#durability === durability) return;
    this.#database.exec(`PRAGMA synchronous = ${durability === "full" ? "FULL" : "NORMAL"}`);
    this.#durability = durability;
  }

  #append(event: NewEvent): number {
    const { atMs, uid, namespace, name, severity, reason, message } = event;
    return Number(
      this.#putEvent.run(Math.round(atMs), uid, namespace, name, severity, reason, message).lastInsertRowid,
    );
  }

  #guard<T>(work: () => T): T {
    return guarded(this.#path, work);
  }
}

function parseRecord(uid: string, body: string, path: string): MicroVmRecord {
  try {
    const record: unknown = JSON.parse(body);
    const whole =
      typeof record === "object" && record !== null && "uid" in record && "spec" in record && "made" in record;
    if (whole && record.uid === uid) return record as MicroVmRecord;
  } catch (error) {
    throw new PlatformError("STATE_CORRUPT", `${path}: the record ${uid} is not readable`, { cause: error });
  }
  throw new PlatformError("STATE_CORRUPT", `${path}: the record ${uid} is not whole`);
}

function parseEvent(row: Record<string, SQLOutputValue>): EventRecord {
  return {
    position: Number(row["position"]),
    atMs: Number(row["at_ms"]),
    uid: text(row["uid"]),
    namespace: text(row["namespace"]),
    name: text(row["name"]),
    severity: row["severity"] === "warning" ? "warning" : "info",
    reason: text(row["reason"]),
    message: text(row["message"]),
  };
}

function text(value: SQLOutputValue | undefined): string {
  return typeof value === "string" ? value : String(value);
}

/** SQLite's primary result codes (sqlite.org/rescode.html) that a user can do something about. */
const codes: Readonly<Record<number, ErrorCode>> = {
  5: "STATE_LOCKED",
  6: "STATE_LOCKED",
  11: "STATE_CORRUPT",
  13: "DISK_FULL",
  26: "STATE_CORRUPT",
};

function guarded<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof Error && "errcode" in error && typeof error.errcode === "number") {
      const code = codes[error.errcode & 0xff] ?? "INTERNAL";
      throw new PlatformError(code, `${path}: ${error.message}`, { cause: error, retry: "backoff" });
    }
    if (error instanceof Error && "code" in error && (error.code === "ENOSPC" || error.code === "EDQUOT")) {
      throw new PlatformError("DISK_FULL", `${path}: ${error.message}`, { cause: error, retry: "backoff" });
    }
    throw error;
  }
}
