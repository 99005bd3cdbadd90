/** Who waits for whose plan. A recipe that in the end is made of itself would wait for ever: it is named instead. */
import { PlatformError } from "@liquidmetal/foundation";

export class WaitGraph {
  readonly #waits = new Map<string, Set<string>>();
  readonly #names = new Map<string, string>();

  /** Runs `work` while `waiter` waits for `other`. Errors: RECIPE_INVALID with the whole circle. */
  async during<T>(waiter: Plan, other: Plan, work: () => Promise<T>): Promise<T> {
    this.#names.set(waiter.id, waiter.name).set(other.id, other.name);
    const circle = this.#way(other.id, waiter.id);
    if (circle !== undefined) {
      const names = [waiter.id, ...circle].map((id) => this.#names.get(id) ?? id);
      throw new PlatformError("RECIPE_INVALID", `a recipe is made of itself: ${names.join(" → ")}`, {
        remedy: "break the circle: an image can only be made of images that are there before it",
      });
    }
    const others = this.#waits.get(waiter.id) ?? new Set();
    this.#waits.set(waiter.id, others.add(other.id));
    try {
      return await work();
    } finally {
      others.delete(other.id);
    }
  }

  /** The way from one to another along the waits, both ends included. */
  #way(from: string, to: string, seen: Set<string> = new Set()): readonly string[] | undefined {
    if (from === to) return [to];
    seen.add(from);
    for (const next of this.#waits.get(from) ?? []) {
      const way = seen.has(next) ? undefined : this.#way(next, to, seen);
      if (way !== undefined) return [from, ...way];
    }
    return undefined;
  }
}

export interface Plan {
  readonly id: string;
  /** For people. */
  readonly name: string;
}
