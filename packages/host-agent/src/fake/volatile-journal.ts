/** A journal that keeps nothing but its events, in a ring: thousands of microVMs cost no more than their records. It outlives a played host that restarts. */
import type { EventRecord, Journal, MicroVmRecord, NewEvent } from "@liquidmetal/microvm";

export class VolatileJournal implements Journal {
  readonly #records: Map<string, MicroVmRecord> = new Map();
  readonly #eventsMax: number;
  #events: EventRecord[] = [];
  #last = 0;

  constructor(eventsMax: number) {
    this.#eventsMax = eventsMax;
  }

  load(): readonly MicroVmRecord[] {
    return [...this.#records.values()];
  }

  commit(record: MicroVmRecord, events: readonly NewEvent[] = []): readonly EventRecord[] {
    this.#records.set(record.uid, record);
    return this.#append(events);
  }

  forget(uid: string, events: readonly NewEvent[] = []): readonly EventRecord[] {
    this.#records.delete(uid);
    return this.#append(events);
  }

  events(filter: {
    readonly uid?: string;
    readonly afterPosition?: number;
    readonly limit?: number;
  }): readonly EventRecord[] {
    const { uid, afterPosition = 0, limit = this.#eventsMax } = filter;
    const first = this.#events[0]?.position ?? 0;
    return this.#events
      .slice(Math.max(0, afterPosition - first + 1))
      .filter((event) => uid === undefined || event.uid === uid)
      .slice(0, limit);
  }

  lastPosition(): number {
    return this.#last;
  }

  firstPosition(): number {
    return this.#events[0]?.position ?? (this.#last === 0 ? 0 : this.#last + 1);
  }

  /** Forgets all events so far, as a host does that was busy for long. */
  dropEvents(): void {
    this.#events = [];
  }

  setting(): string | undefined {
    return undefined;
  }

  setSetting(): void {}

  close(): void {}

  #append(events: readonly NewEvent[]): readonly EventRecord[] {
    const written = events.map((event) => ({ position: ++this.#last, ...event }));
    this.#events.push(...written);
    // Cut rarely, so that each event costs the same however many are kept.
    if (this.#events.length > this.#eventsMax * 2) this.#events = this.#events.slice(-this.#eventsMax);
    return written;
  }
}
