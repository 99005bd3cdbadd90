/**
 * The journal in memory, for tests and the simulator: passes the same conformance suite as the real one.
 *
 * What was committed lives in a `FakeJournalDisk`, which outlives the journal as a disk outlives a process; opening it twice at once is refused.
 */
import { PlatformError } from "@liquidmetal/foundation";
import type { EventRecord, Journal, MicroVmRecord, NewEvent } from "@liquidmetal/microvm";

/** What survives a crash. `full` makes every write fail as a full disk does. */
export class FakeJournalDisk {
  readonly records: Map<string, string> = new Map();
  events: readonly EventRecord[] = [];
  last = 0;
  readonly settings: Map<string, string> = new Map();
  locked = false;
  full = false;
  /** Numbers of the writes (1 = the first ever) that fail as on a full disk. */
  readonly failingWrites: Set<number> = new Set();
  writes = 0;
  /** Called before each write; for tests that watch every commit. */
  onCommit: ((record: MicroVmRecord) => void) | undefined;
}

export class FakeJournal implements Journal {
  readonly #disk: FakeJournalDisk;
  readonly #eventsMax: number;
  #open = true;

  constructor(disk: FakeJournalDisk = new FakeJournalDisk(), eventsMax = 10_000) {
    if (disk.locked) throw new PlatformError("STATE_LOCKED", "the journal is open already");
    disk.locked = true;
    this.#disk = disk;
    this.#eventsMax = eventsMax;
  }

  load(): readonly MicroVmRecord[] {
    return [...this.#disk.records]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([, body]) => JSON.parse(body) as MicroVmRecord);
  }

  commit(record: MicroVmRecord, events: readonly NewEvent[] = []): readonly EventRecord[] {
    this.#beforeWrite();
    this.#disk.onCommit?.(record);
    this.#disk.records.set(record.uid, JSON.stringify(record));
    return this.#append(events);
  }

  forget(uid: string, events: readonly NewEvent[] = []): readonly EventRecord[] {
    this.#beforeWrite();
    this.#disk.records.delete(uid);
    return this.#append(events);
  }

  events(filter: {
    readonly uid?: string;
    readonly afterPosition?: number;
    readonly limit?: number;
  }): readonly EventRecord[] {
    const { uid, afterPosition = 0, limit = this.#eventsMax } = filter;
    return this.#disk.events
      .filter((event) => event.position > afterPosition && (uid === undefined || event.uid === uid))
      .slice(0, limit);
  }

  lastPosition(): number {
    return this.#disk.last;
  }

  firstPosition(): number {
    const { last } = this.#disk;
    return last === 0 ? 0 : Math.max(1, last - this.#eventsMax + 1);
  }

  setting(key: string): string | undefined {
    return this.#disk.settings.get(key);
  }

  setSetting(key: string, value: string): void {
    this.#beforeWrite();
    this.#disk.settings.set(key, value);
  }

  close(): void {
    if (this.#open) this.#disk.locked = false;
    this.#open = false;
  }

  #beforeWrite(): void {
    const disk = this.#disk;
    if (!this.#open) throw new Error("the journal is closed");
    disk.writes++;
    if (disk.full || disk.failingWrites.has(disk.writes))
      throw new PlatformError("DISK_FULL", "the disk is full", { retry: "backoff" });
  }

  #append(events: readonly NewEvent[]): readonly EventRecord[] {
    const written = events.map((event) => ({ position: ++this.#disk.last, ...event }));
    this.#disk.events = [...this.#disk.events, ...written].slice(-this.#eventsMax);
    return written;
  }
}
