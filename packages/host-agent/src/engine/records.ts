/**
 * All records in memory, over the journal: the only writer of both.
 *
 * Invariants: memory never runs ahead of the journal (a commit that fails changes nothing here); every change goes through `update`, which reads
 * the newest record, so no change is lost; phases move only along the transition table; every commit is broadcast, in order.
 */
import { Broadcast, type Clock, PlatformError } from "@liquidmetal/foundation";
import {
  canTransition,
  type Durability,
  type EventRecord,
  type Journal,
  type MicroVmRecord,
  type NewEvent,
  type Phase,
} from "@liquidmetal/microvm";
import type { Change } from "./application.ts";

/** An event as the engine words it; the rest is filled in from the record. */
export interface Happening {
  readonly severity?: "info" | "warning";
  readonly reason: string;
  readonly message: string;
}

/** What a change makes different. `undefined` removes an optional field. */
export type RecordChange = (record: MicroVmRecord) => MicroVmRecord;

export class Records {
  readonly changes: Broadcast<Change> = new Broadcast();
  readonly #journal: Journal;
  readonly #clock: Clock;
  readonly #records: Map<string, MicroVmRecord> = new Map();
  readonly #uidsByName: Map<string, string> = new Map();
  #order: readonly string[] | undefined;

  constructor(journal: Journal, clock: Clock) {
    this.#journal = journal;
    this.#clock = clock;
  }

  /** Reads the journal, once. Throws STATE_TOO_NEW or STATE_CORRUPT. */
  load(): void {
    for (const record of this.#journal.load()) this.#keep(record);
  }

  get size(): number {
    return this.#records.size;
  }

  has(uid: string): boolean {
    return this.#records.has(uid);
  }

  get(uid: string): MicroVmRecord | undefined {
    return this.#records.get(uid);
  }

  byName(namespace: string, name: string): MicroVmRecord | undefined {
    const uid = this.#uidsByName.get(nameKey(namespace, name));
    return uid === undefined ? undefined : this.#records.get(uid);
  }

  values(): IterableIterator<MicroVmRecord> {
    return this.#records.values();
  }

  /** Sorted by namespace and name; by code unit, the same everywhere. */
  list(filter: { readonly namespace?: string; readonly name?: string }): readonly MicroVmRecord[] {
    if (filter.namespace && filter.name) {
      // One name has one microVM: no need to put thousands in order, which a client that looks before it creates would pay each time.
      const record = this.byName(filter.namespace, filter.name);
      return record === undefined ? [] : [record];
    }
    this.#order ??= [...this.#records.values()].sort(byNamespaceAndName).map((record) => record.uid);
    const { namespace = "", name = "" } = filter;
    const found: MicroVmRecord[] = [];
    for (const uid of this.#order) {
      const record = this.#records.get(uid);
      if (record === undefined) continue;
      if (namespace !== "" && record.spec.namespace !== namespace) continue;
      if (name === "" || record.spec.name === name) found.push(record);
    }
    return found;
  }

  /** Commits a new record. Throws DISK_FULL. */
  insert(record: MicroVmRecord, happening: Happening): MicroVmRecord {
    this.#commit(record, [happening], "full");
    return record;
  }

  /**
   * Applies `change` to the newest record and commits the result. What a user asked for is committed in full; what the host found or did may be
   * relaxed, for it can be found out again.
   * Undefined when there is no such record. Throws DISK_FULL.
   */
  update(
    uid: string,
    change: RecordChange,
    happenings: readonly Happening[] = [],
    durability: Durability = "full",
  ): MicroVmRecord | undefined {
    const current = this.#records.get(uid);
    if (current === undefined) return undefined;
    const changed = change(current);
    if (changed === current && happenings.length === 0) return current;
    assertTransition(current.phase, changed.phase, uid);
    const next = { ...changed, version: current.version + 1, updatedAtMs: this.#clock.nowMs() };
    this.#commit(next, happenings, durability);
    return next;
  }

  /** Forgets a record for ever. Throws DISK_FULL. */
  forget(uid: string, happening: Happening): void {
    const record = this.#records.get(uid);
    if (record === undefined) return;
    const events = this.#journal.forget(uid, [this.#event(record, happening)]);
    this.#records.delete(uid);
    this.#uidsByName.delete(nameKey(record.spec.namespace, record.spec.name));
    this.#order = undefined;
    this.#publish("deleted", { ...record, phase: "deleted" }, events);
  }

  #commit(record: MicroVmRecord, happenings: readonly Happening[], durability: Durability): void {
    const events = this.#journal.commit(
      record,
      happenings.map((happening) => this.#event(record, happening)),
      durability,
    );
    this.#keep(record);
    this.#publish("changed", record, events);
  }

  #keep(record: MicroVmRecord): void {
    if (!this.#records.has(record.uid)) this.#order = undefined;
    this.#records.set(record.uid, record);
    this.#uidsByName.set(nameKey(record.spec.namespace, record.spec.name), record.uid);
  }

  #publish(kind: Change["kind"], record: MicroVmRecord, events: readonly EventRecord[]): void {
    if (this.changes.subscribers === 0) return;
    if (events.length === 0) this.changes.publish({ kind, position: this.#journal.lastPosition(), record });
    for (const event of events) this.changes.publish({ kind, position: event.position, record, event });
  }

  #event(record: MicroVmRecord, { severity = "info", reason, message }: Happening): NewEvent {
    const { uid, spec } = record;
    return { atMs: this.#clock.nowMs(), uid, namespace: spec.namespace, name: spec.name, severity, reason, message };
  }
}

function nameKey(namespace: string, name: string): string {
  return `${namespace}/${name}`;
}

function byNamespaceAndName(left: MicroVmRecord, right: MicroVmRecord): number {
  const a = left.spec;
  const b = right.spec;
  if (a.namespace !== b.namespace) return a.namespace < b.namespace ? -1 : 1;
  if (a.name === b.name) return 0;
  return a.name < b.name ? -1 : 1;
}

function assertTransition(from: Phase, to: Phase, uid: string): void {
  if (!canTransition(from, to)) throw new PlatformError("INTERNAL", `${uid} cannot go from ${from} to ${to}`);
}
