/**
 * The guests that run now: one handle per VMM, its events read in order by one reader each.
 *
 * Consoles belong to the microVM, not to one run of it: a reader sees the next boot on the same stream. A reader that is too slow is ended
 * and reads on from the log file; the guest never waits for it.
 */
import { Broadcast, type Clock, sleep } from "@liquidmetal/foundation";
import type { GuestExit, HypervisorEvent, RunningVmm } from "@liquidmetal/microvm";

/** One run of one VMM. */
export interface Guest {
  readonly uid: string;
  readonly vmm: RunningVmm;
  /** Boot generation it was started with. */
  readonly generation: number;
  readonly sinceMonotonicMs: number;
  /** We asked for its end: whatever it says on its way out, that was requested. */
  stopRequested: boolean;
  /** What its kernel said when it panicked. */
  panic?: string;
  /** Resolves when its end has been dealt with. */
  readonly ended: Promise<void>;
}

export interface GuestListener {
  onEvent(guest: Guest, event: Exclude<HypervisorEvent, { kind: "console" | "exited" }>): void;
  onExit(guest: Guest, exit: GuestExit): void;
  onDefect(uid: string, error: unknown): void;
}

/** Chunks that may wait for one console reader. */
const consoleCapacity = 4_096;

export class Guests {
  readonly #clock: Clock;
  readonly #listener: GuestListener;
  readonly #guests: Map<string, Guest> = new Map();
  readonly #consoles: Map<string, Broadcast<Uint8Array>> = new Map();
  readonly #detaching: AbortController = new AbortController();

  constructor(clock: Clock, listener: GuestListener) {
    this.#clock = clock;
    this.#listener = listener;
  }

  get size(): number {
    return this.#guests.size;
  }

  get(uid: string): Guest | undefined {
    return this.#guests.get(uid);
  }

  values(): IterableIterator<Guest> {
    return this.#guests.values();
  }

  /** Takes a VMM that was started or adopted into care. */
  watch(vmm: RunningVmm, generation: number): Guest {
    const { promise: ended, resolve } = Promise.withResolvers<void>();
    const sinceMonotonicMs = this.#clock.monotonicMs();
    const guest: Guest = { uid: vmm.uid, vmm, generation, sinceMonotonicMs, stopRequested: false, ended };
    this.#guests.set(vmm.uid, guest);
    void this.#read(guest).then(resolve, (error: unknown) => {
      this.#listener.onDefect(guest.uid, error);
      resolve();
    });
    return guest;
  }

  /** When its VMM has ended, waits (shortly) until that has been dealt with. */
  async settled(uid: string): Promise<void> {
    const guest = this.#guests.get(uid);
    if (guest?.vmm.state() === "exited") await this.waitEnded(guest);
  }

  /** Waits at most two seconds for the end of a guest to be dealt with; lets go of it in any case. */
  async waitEnded(guest: Guest): Promise<void> {
    await Promise.race([guest.ended, sleep(this.#clock, 2_000)]);
    this.#drop(guest);
  }

  console(uid: string): Broadcast<Uint8Array> {
    const existing = this.#consoles.get(uid);
    if (existing !== undefined) return existing;
    const made = new Broadcast<Uint8Array>();
    this.#consoles.set(uid, made);
    return made;
  }

  /** What a reader of this console sees from now on, until `signal`. */
  consoleOutput(uid: string, signal: AbortSignal): AsyncIterable<Uint8Array> {
    return this.console(uid).subscribe({ capacity: consoleCapacity, signal });
  }

  /** The microVM is gone: its readers end. */
  forget(uid: string): void {
    this.#consoles.get(uid)?.close();
    this.#consoles.delete(uid);
  }

  /** Lets go of every guest without touching it. */
  async detach(): Promise<void> {
    this.#detaching.abort();
    const guests = [...this.#guests.values()];
    this.#guests.clear();
    for (const console of this.#consoles.values()) console.close();
    await Promise.all(guests.map((guest) => guest.vmm.detach()));
  }

  /** Reads until the VMM has exited; a reader that fell behind (a flood on the console) subscribes again. */
  async #read(guest: Guest): Promise<void> {
    const { signal } = this.#detaching;
    while (!signal.aborted) {
      const subscription = guest.vmm.events({ capacity: 8_192, signal });
      for await (const event of subscription) {
        if (event.kind === "console") this.#consoles.get(guest.uid)?.publish(event.bytes);
        else if (event.kind === "exited") {
          this.#drop(guest);
          this.#listener.onExit(guest, event.exit);
          return;
        } else this.#tell(guest, event);
      }
      if (!subscription.overflowed) return;
    }
  }

  /** What cannot be recorded now (a full disk) must not end the reading. */
  #tell(guest: Guest, event: Parameters<GuestListener["onEvent"]>[1]): void {
    try {
      this.#listener.onEvent(guest, event);
    } catch (error) {
      this.#listener.onDefect(guest.uid, error);
    }
  }

  #drop(guest: Guest): void {
    if (this.#guests.get(guest.uid) === guest) this.#guests.delete(guest.uid);
  }
}
