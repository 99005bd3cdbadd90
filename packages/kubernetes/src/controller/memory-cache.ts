/** A cache that a test fills by hand. */
import { Broadcast } from "@liquidmetal/foundation";
import type { CacheChange, ObjectCache } from "../cache/cache.ts";
import { type KubernetesObject, keyOf, keyText, type ObjectKey } from "../object.ts";

export class MemoryCache<T extends KubernetesObject> implements ObjectCache<T> {
  readonly isSynced = true;
  readonly #objects: Map<string, T> = new Map();
  readonly #changes: Broadcast<CacheChange<T>> = new Broadcast();
  readonly #indexes: Readonly<Record<string, (object: T) => string | undefined>>;

  constructor(indexes: Readonly<Record<string, (object: T) => string | undefined>> = {}) {
    this.#indexes = indexes;
  }

  get(key: ObjectKey): T | undefined {
    return this.#objects.get(keyText(key));
  }

  list(namespace?: string): readonly T[] {
    return [...this.#objects.values()].filter(
      ({ metadata }) => namespace === undefined || metadata?.namespace === namespace,
    );
  }

  byIndex(name: string, value: string): readonly T[] {
    return this.list().filter((object) => this.#indexes[name]?.(object) === value);
  }

  async synced(): Promise<void> {}

  onChange(listener: (change: CacheChange<T>) => void): Disposable {
    for (const object of this.#objects.values()) listener({ type: "added", object });
    return this.#changes.listen(listener);
  }

  learn(object: T): void {
    this.put(object);
  }

  put(object: T): void {
    const previous = this.get(keyOf(object));
    this.#objects.set(keyText(keyOf(object)), object);
    this.#changes.publish(previous === undefined ? { type: "added", object } : { type: "changed", object, previous });
  }

  remove(key: ObjectKey): void {
    const object = this.get(key);
    if (object === undefined) return;
    this.#objects.delete(keyText(key));
    this.#changes.publish({ type: "deleted", object });
  }
}
