/**
 * Many callers, one piece of work.
 *
 * Callers who ask for the same key while it is worked on share the outcome. The work is cancelled only when every one of them has gone.
 */
interface Flight<T> {
  readonly promise: Promise<T>;
  readonly controller: AbortController;
  passengers: number;
}

export class SingleFlight<T> {
  readonly #flights: Map<string, Flight<T>> = new Map();

  /** Keys that are worked on now. */
  get size(): number {
    return this.#flights.size;
  }

  async run(key: string, work: (signal: AbortSignal) => Promise<T>, signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted();
    const flight = this.#flights.get(key) ?? this.#start(key, work);
    flight.passengers++;
    const { promise: left, reject } = Promise.withResolvers<never>();
    const leave = (): void => reject(signal?.reason);
    signal?.addEventListener("abort", leave, { once: true });
    try {
      return await Promise.race([flight.promise, left]);
    } finally {
      signal?.removeEventListener("abort", leave);
      flight.passengers--;
      if (flight.passengers === 0) {
        flight.controller.abort(signal?.reason);
        if (this.#flights.get(key) === flight) this.#flights.delete(key);
      }
    }
  }

  #start(key: string, work: (signal: AbortSignal) => Promise<T>): Flight<T> {
    const controller = new AbortController();
    const promise = work(controller.signal);
    // Whoever still waits sees the failure; when nobody does, it must not end the process.
    promise.catch(() => undefined);
    const flight: Flight<T> = { promise, controller, passengers: 0 };
    this.#flights.set(key, flight);
    const forget = (): void => {
      if (this.#flights.get(key) === flight) this.#flights.delete(key);
    };
    promise.then(forget, forget);
    return flight;
  }
}
