/**
 * Follows a host without Watch (upstream's flintlock) by listing each namespace that is in use, every few seconds and sooner while something changes there.
 *
 * Lists and answers to calls cross: what was learnt of a microVM while a list was under way is newer than that list.
 */

import type { Connection } from "@liquidmetal/api/client";
import { backoffDelayMs, type Clock, type Entropy, PlatformError, sleep } from "@liquidmetal/foundation";
import type { HostMicroVm } from "./host.ts";
import type { HostFeed } from "./host-feed.ts";
import type { HostTiming } from "./host-timing.ts";
import { microVmFromWire } from "./microvm-from-wire.ts";

/** A namespace that nobody has asked for so long, and that has no microVM of ours, is polled no more. Milliseconds. */
const forgottenAfterMs = 600_000;

export class Polling {
  readonly #feed: HostFeed;
  readonly #clock: Clock;
  readonly #entropy: Entropy;
  readonly #timing: HostTiming;
  /** When each namespace was last asked for. */
  readonly #namespaces: Map<string, number> = new Map();
  readonly #polled: Set<string> = new Set();
  /** Learnt from answers since the list in progress began. */
  readonly #learnt: Set<string> = new Set();
  #hurry: (() => void) | undefined;

  constructor(feed: HostFeed, clock: Clock, entropy: Entropy, timing: HostTiming) {
    this.#feed = feed;
    this.#clock = clock;
    this.#entropy = entropy;
    this.#timing = timing;
  }

  /** This namespace is in use; a new one is listed at once. */
  use(namespace: string): void {
    const isNew = !this.#namespaces.has(namespace);
    this.#namespaces.set(namespace, this.#clock.monotonicMs());
    if (isNew) this.#hurry?.();
  }

  /** Whether a namespace has been listed, and so a name that is not known there is not there. */
  covers(namespace: string): boolean {
    return this.#polled.has(namespace);
  }

  /** Whether every namespace in use has been listed. */
  get isComplete(): boolean {
    for (const namespace of this.#namespaces.keys()) if (!this.#polled.has(namespace)) return false;
    return true;
  }

  /** An answer told of this microVM, or that it is gone. */
  learnt(uid: string): void {
    this.#learnt.add(uid);
    this.#hurry?.();
  }

  /** Lists until `signal`; throws what went wrong. */
  async follow(connection: Connection, signal: AbortSignal): Promise<never> {
    this.#polled.clear();
    const { pollMs, pollBusyMs } = this.#timing;
    for (;;) {
      const busy = await this.#listAll(connection, signal);
      this.#feed.synced();
      const delayMs = backoffDelayMs(1, this.#entropy.fraction(), { baseMs: busy ? pollBusyMs : pollMs });
      await this.#pause(busy ? delayMs : delayMs * (4 / 3), signal);
    }
  }

  /** Whether something is on its way there. A host with no namespace in use is asked for an empty one: that it answers is worth knowing. */
  async #listAll(connection: Connection, signal: AbortSignal): Promise<boolean> {
    const namespaces = this.#namespaces.size === 0 ? ["default"] : [...this.#namespaces.keys()];
    let busy = false;
    for (const namespace of namespaces) {
      const found = await this.#list(connection, namespace, signal);
      busy ||= found.some(({ state }) => state === "pending" || state === "deleting");
      this.#polled.add(namespace);
      const idleMs = this.#clock.monotonicMs() - (this.#namespaces.get(namespace) ?? 0);
      if (idleMs > forgottenAfterMs && !found.some(({ identity }) => identity !== undefined)) {
        this.#namespaces.delete(namespace);
        this.#polled.delete(namespace);
      }
    }
    return busy;
  }

  async #list(connection: Connection, namespace: string, signal: AbortSignal): Promise<readonly HostMicroVm[]> {
    this.#learnt.clear();
    const { microvm } = await connection.microVms.listMicroVMs(
      { namespace },
      { signal, timeoutMs: this.#timing.dialMs },
    );
    const found = microvm.map(microVmFromWire);
    const seen = new Set(this.#learnt);
    for (const one of found) {
      if (!this.#learnt.has(one.uid)) this.#feed.put(one);
      seen.add(one.uid);
    }
    this.#feed.keepOnly(seen, namespace);
    return found;
  }

  /** Until the time is up or somebody is in a hurry. */
  async #pause(delayMs: number, signal: AbortSignal): Promise<void> {
    if (!this.isComplete) return;
    const hurry = new AbortController();
    this.#hurry = () => hurry.abort(new PlatformError("CANCELLED", "sooner"));
    try {
      await sleep(this.#clock, delayMs, AbortSignal.any([signal, hurry.signal]));
    } catch {
      signal.throwIfAborted();
    } finally {
      this.#hurry = undefined;
    }
  }
}
