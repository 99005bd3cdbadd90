/** Gathers the wish to reload for a moment, so that a hundred deletions cost one reload; remembers which addresses wait for it. */
import type { Clock, Timer } from "@liquidmetal/foundation";

const gatherMs = 200;

export class DelayedReload {
  readonly #clock: Clock;
  readonly #reload: () => Promise<void>;
  readonly #addresses: Set<string> = new Set();
  #timer: Timer | undefined;

  constructor(clock: Clock, reload: () => Promise<void>) {
    this.#clock = clock;
    this.#reload = reload;
  }

  /** True when this address belonged to something whose deletion is not yet known. */
  concerns(address: string): boolean {
    return this.#addresses.has(address);
  }

  later(address: string): void {
    this.#addresses.add(address);
    this.#timer ??= this.#clock.timer(gatherMs, () => {
      // A reload that cannot be delivered is one that the next start makes up for.
      this.now().catch(() => undefined);
    });
  }

  async now(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#addresses.clear();
    await this.#reload();
  }

  /** At the end: what is due is done now. */
  async flush(): Promise<void> {
    if (this.#timer !== undefined) await this.now();
  }
}
