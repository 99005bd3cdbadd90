/** A fake clock for tests and the simulator: time moves only by `advance` (or `jumpWall`, for wall clocks that jump). */
import type { Clock, Timer } from "./clock.ts";

interface Pending {
  readonly dueMs: number;
  readonly order: number;
  readonly fire: () => void;
}

export class FakeClock implements Clock {
  #wallMs: number;
  #monotonicMs = 0;
  #order = 0;
  readonly #pending: Set<Pending> = new Set();

  constructor(wallMs = 1_790_000_000_000) {
    this.#wallMs = wallMs;
  }

  nowMs(): number {
    return this.#wallMs;
  }

  monotonicMs(): number {
    return this.#monotonicMs;
  }

  timer(delayMs: number, fire: () => void): Timer {
    const pending = { dueMs: this.#monotonicMs + Math.max(delayMs, 0), order: this.#order++, fire };
    this.#pending.add(pending);
    return { cancel: () => this.#pending.delete(pending) };
  }

  /** Number of timers that wait. */
  get pendingTimers(): number {
    return this.#pending.size;
  }

  /** Moves time on, firing every due timer in order; promises get their turn after each. */
  async advance(byMs: number): Promise<void> {
    const end = this.#monotonicMs + byMs;
    for (;;) {
      await settle();
      const next = [...this.#pending]
        .filter((timer) => timer.dueMs <= end)
        .sort((a, b) => a.dueMs - b.dueMs || a.order - b.order)[0];
      if (next === undefined) break;
      this.#pending.delete(next);
      this.#move(next.dueMs);
      next.fire();
    }
    this.#move(end);
    await settle();
  }

  /** The wall clock jumps; monotonic time does not notice. */
  jumpWall(byMs: number): void {
    this.#wallMs += byMs;
  }

  #move(toMs: number): void {
    this.#wallMs += toMs - this.#monotonicMs;
    this.#monotonicMs = toMs;
  }
}

/** Lets everything that is ready run: a macrotask turn drains all microtasks before it. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
}
