/**
 * Delivers changes to listeners: one after another, in order, to each from when it came.
 *
 * A listener may itself cause changes; they are delivered after the one in progress, so that nobody sees them in another order.
 */
import type { CacheChange } from "./cache.ts";

interface Listener<T> {
  readonly call: (change: CacheChange<T>) => void;
  /** Changes up to this one it knows already. */
  readonly from: number;
}

export class ChangeFeed<T> {
  readonly #onDefect: (error: unknown) => void;
  readonly #listeners: Set<Listener<T>> = new Set();
  #waiting: { readonly number: number; readonly change: CacheChange<T> }[] = [];
  #last = 0;
  #delivering = false;

  constructor(onDefect: (error: unknown) => void) {
    this.#onDefect = onDefect;
  }

  /** `present` is what is there now. */
  listen(call: (change: CacheChange<T>) => void, present: Iterable<T>): Disposable {
    const listener = { call, from: this.#last };
    this.#listeners.add(listener);
    for (const object of [...present]) this.#deliver(listener, { type: "added", object });
    return { [Symbol.dispose]: () => this.#listeners.delete(listener) };
  }

  publish(changes: Iterable<CacheChange<T>>): void {
    for (const change of changes) {
      this.#last += 1;
      if (this.#listeners.size > 0) this.#waiting.push({ number: this.#last, change });
    }
    if (this.#delivering) return;
    this.#delivering = true;
    try {
      while (this.#waiting.length > 0) {
        const batch = this.#waiting;
        this.#waiting = [];
        for (const { number, change } of batch) {
          for (const listener of [...this.#listeners]) if (listener.from < number) this.#deliver(listener, change);
        }
      }
    } finally {
      this.#delivering = false;
    }
  }

  #deliver(listener: Listener<T>, change: CacheChange<T>): void {
    if (!this.#listeners.has(listener)) return;
    try {
      listener.call(change);
    } catch (error) {
      this.#onDefect(error);
    }
  }
}
