/**
 * Port: durable records.
 *
 * `commit` returns only when the record would survive a power cut, unless it is asked for less. Records are few (thousands): all are held in memory by the agent,
 * the journal is read once at start. Events are kept up to a bound, oldest dropped, positions never reused.
 */
import type { MicroVmRecord } from "../record.ts";

export interface EventRecord {
  /** Ever growing; the position to resume a watch from. */
  readonly position: number;
  readonly atMs: number;
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  readonly severity: "info" | "warning";
  /** Stable CamelCase word. */
  readonly reason: string;
  readonly message: string;
}

export type NewEvent = Omit<EventRecord, "position">;

/**
 * - `full`: survives a power cut. Whatever a user asked for and was promised.
 * - `relaxed`: survives the death of the agent, however it dies, but perhaps not a power cut; the next full write makes it durable, and no order is
 *   ever changed. For progress that can be found out again: after a power cut no process and no device is left that such a record could name, and
 *   what was deleted is deleted again. Positions of events that a power cut took are not given out again.
 */
export type Durability = "full" | "relaxed";

export interface Journal {
  /** Everything, as it was last committed. Throws STATE_TOO_NEW or STATE_CORRUPT. */
  load(): readonly MicroVmRecord[];
  /** Writes a record and the events that belong to it in one transaction; returns the events with their positions. Throws DISK_FULL. */
  commit(record: MicroVmRecord, events?: readonly NewEvent[], durability?: Durability): readonly EventRecord[];
  /** Removes a record and writes its last events, relaxed: a record that comes back after a power cut is still one to delete. */
  forget(uid: string, events?: readonly NewEvent[]): readonly EventRecord[];
  events(filter: {
    readonly uid?: string;
    readonly afterPosition?: number;
    readonly limit?: number;
  }): readonly EventRecord[];
  /** Position of the newest event ever written; 0 = none. */
  lastPosition(): number;
  /** Position of the oldest event kept; a watcher that asks for an older one must list again. */
  firstPosition(): number;
  /** Small values by key: host identity, chosen subnet, accelerator probe. */
  setting(key: string): string | undefined;
  setSetting(key: string, value: string): void;
  close(): void;
}
