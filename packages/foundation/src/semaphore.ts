/** A counting semaphore: at most `permits` pieces of work at once, the rest in line (bounded), first come first served. */
import { PlatformError } from "./platform-error.ts";

export class Semaphore {
  #free: number;
  readonly #waitingMax: number;
  readonly #waiting: Set<() => void> = new Set();

  constructor(permits: number, waitingMax: number = Number.POSITIVE_INFINITY) {
    this.#free = permits;
    this.#waitingMax = waitingMax;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** Runs `work` under a permit. Rejects with `QUEUE_FULL` when the line is full, or with the signal's reason while waiting. */
  async run<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    await this.#acquire(signal);
    try {
      return await work();
    } finally {
      this.#release();
    }
  }

  async #acquire(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    if (this.#free > 0) {
      this.#free--;
      return;
    }
    if (this.#waiting.size >= this.#waitingMax) {
      throw new PlatformError("QUEUE_FULL", `${this.#waiting.size} pieces of work are waiting already`);
    }
    await new Promise<void>((resolve, reject) => {
      const abort = (): void => {
        this.#waiting.delete(grant);
        reject(signal?.reason);
      };
      const grant = (): void => {
        signal?.removeEventListener("abort", abort);
        resolve();
      };
      this.#waiting.add(grant);
      signal?.addEventListener("abort", abort, { once: true });
    });
  }

  #release(): void {
    const next = this.#waiting.values().next().value;
    if (next === undefined) {
      this.#free++;
      return;
    }
    this.#waiting.delete(next);
    next();
  }
}
