/**
 * A work queue of keys: one key at a time, many keys at once.
 *
 * - A key waits at most once; adding it again while it waits changes nothing, adding it while it runs makes it run once more.
 * - `addAfter` delays; the earliest of several delays wins, and `add` beats them all.
 * - `interrupt` aborts the signal of the run in progress, so that new wishes (a delete) pre-empt work that is stuck.
 * - A worker that throws is a defect: it is reported to `onDefect`, never lost and never fatal for the queue.
 */
import type { Clock, Timer } from "./clock.ts";

export interface KeyedQueueOptions {
  readonly clock: Clock;
  /** Runs at once, over all keys. */
  readonly concurrency: number;
  readonly work: (key: string, signal: AbortSignal) => Promise<void>;
  readonly onDefect: (key: string, error: unknown) => void;
}

export class KeyedQueue {
  readonly #options: KeyedQueueOptions;
  readonly #waiting: Set<string> = new Set();
  readonly #running: Map<string, { controller: AbortController; again: boolean }> = new Map();
  readonly #delayed: Map<string, { dueMs: number; timer: Timer }> = new Map();
  #idle: PromiseWithResolvers<void> | undefined;
  #closed = false;

  constructor(options: KeyedQueueOptions) {
    this.#options = options;
  }

  get depth(): number {
    return this.#waiting.size;
  }

  get active(): number {
    return this.#running.size;
  }

  add(key: string): void {
    if (this.#closed) return;
    this.#delayed.get(key)?.timer.cancel();
    this.#delayed.delete(key);
    const running = this.#running.get(key);
    if (running !== undefined) running.again = true;
    else this.#waiting.add(key);
    this.#pump();
  }

  addAfter(key: string, delayMs: number): void {
    if (this.#closed || this.#waiting.has(key)) return;
    const { clock } = this.#options;
    const dueMs = clock.monotonicMs() + delayMs;
    const existing = this.#delayed.get(key);
    if (existing !== undefined && existing.dueMs <= dueMs) return;
    existing?.timer.cancel();
    this.#delayed.set(key, { dueMs, timer: clock.timer(delayMs, () => this.add(key)) });
  }

  /** Aborts the run of `key`, if one is in progress. */
  interrupt(key: string, reason: unknown): void {
    this.#running.get(key)?.controller.abort(reason);
  }

  /** Takes no more keys, aborts what runs, and resolves when the last run has ended. */
  async close(reason: unknown): Promise<void> {
    this.#closed = true;
    this.#waiting.clear();
    for (const { timer } of this.#delayed.values()) timer.cancel();
    this.#delayed.clear();
    for (const { controller } of this.#running.values()) controller.abort(reason);
    await this.idle();
  }

  /** Resolves when nothing runs and nothing waits (delayed keys do not count). */
  async idle(): Promise<void> {
    if (this.#running.size === 0 && this.#waiting.size === 0) return;
    this.#idle ??= Promise.withResolvers<void>();
    await this.#idle.promise;
  }

  #pump(): void {
    for (const key of this.#waiting) {
      if (this.#running.size >= this.#options.concurrency) return;
      this.#waiting.delete(key);
      void this.#run(key);
    }
  }

  async #run(key: string): Promise<void> {
    const run = { controller: new AbortController(), again: false };
    this.#running.set(key, run);
    try {
      await this.#options.work(key, run.controller.signal);
    } catch (error) {
      this.#options.onDefect(key, error);
    }
    this.#running.delete(key);
    if (run.again && !this.#closed) this.#waiting.add(key);
    this.#pump();
    if (this.#running.size === 0 && this.#waiting.size === 0) {
      this.#idle?.resolve();
      this.#idle = undefined;
    }
  }
}
