/**
 * Typed, bounded publish and subscribe inside one process.
 *
 * A subscriber that reads too slowly does not hold anyone up and does not grow without bound: it is ended with `overflow`, and has to
 * start again from where it knows it was.
 */
export interface Subscription<T> extends AsyncIterable<T>, Disposable {
  /** True when the subscriber fell behind by more than its capacity and was ended. */
  readonly overflowed: boolean;
}

export class Broadcast<T> {
  readonly #subscribers: Set<(value: T) => void> = new Set();
  readonly #ends: Set<() => void> = new Set();

  get subscribers(): number {
    return this.#subscribers.size;
  }

  publish(value: T): void {
    for (const deliver of this.#subscribers) deliver(value);
  }

  /** Calls `listener` for every value, synchronously. Disposing ends it. */
  listen(listener: (value: T) => void): Disposable {
    this.#subscribers.add(listener);
    return { [Symbol.dispose]: () => this.#subscribers.delete(listener) };
  }

  /** Ends every subscription made so far. */
  close(): void {
    for (const end of [...this.#ends]) end();
  }

  /** An async iterable of what is published from now on. At most `capacity` values wait (default 1,024). */
  subscribe(options: { readonly capacity?: number; readonly signal?: AbortSignal } = {}): Subscription<T> {
    const { capacity = 1_024, signal } = options;
    const buffer: T[] = [];
    let wake: (() => void) | undefined;
    let ended = false;
    let overflowed = false;
    const notify = (): void => {
      wake?.();
      wake = undefined;
    };
    const end = (): void => {
      ended = true;
      this.#subscribers.delete(deliver);
      this.#ends.delete(end);
      signal?.removeEventListener("abort", end);
      notify();
    };
    const deliver = (value: T): void => {
      if (buffer.length >= capacity) {
        overflowed = true;
        end();
        return;
      }
      buffer.push(value);
      notify();
    };
    this.#subscribers.add(deliver);
    this.#ends.add(end);
    if (signal?.aborted) end();
    else signal?.addEventListener("abort", end, { once: true });
    return {
      get overflowed() {
        return overflowed;
      },
      [Symbol.dispose]: end,
      async *[Symbol.asyncIterator]() {
        try {
          for (;;) {
            const value = buffer.shift();
            if (value !== undefined) yield value;
            else if (ended) return;
            else
              await new Promise<void>((resolve) => {
                wake = resolve;
              });
          }
        } finally {
          end();
        }
      },
    };
  }
}
