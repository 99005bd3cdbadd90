/** A cache for tests: follows a `FakeCluster` by list and watch, as little as that takes. */
import {
  type CacheChange,
  type KubernetesClient,
  type KubernetesObject,
  keyOf,
  keyText,
  type ObjectCache,
  type ObjectKey,
  type Resource,
} from "@liquidmetal/kubernetes";

type Indexes<T> = Readonly<Record<string, (object: T) => string | undefined>>;

export class FollowingCache<T extends KubernetesObject> implements ObjectCache<T> {
  readonly #client: KubernetesClient;
  readonly #kind: Resource<T>;
  readonly #indexes: Indexes<T>;
  readonly #objects: Map<string, T> = new Map();
  readonly #listeners: Set<(change: CacheChange<T>) => void> = new Set();
  readonly #synced: PromiseWithResolvers<void> = Promise.withResolvers();
  isSynced = false;

  constructor(client: KubernetesClient, kind: Resource<T>, indexes: Indexes<T> = {}) {
    this.#client = client;
    this.#kind = kind;
    this.#indexes = indexes;
  }

  /** Until `signal` is aborted. */
  async follow(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#once(signal);
      } catch {
        await new Promise<void>((resolve) => setImmediate(resolve));
      }
    }
  }

  get(key: ObjectKey): T | undefined {
    return this.#objects.get(keyText(key));
  }

  list(namespace?: string): readonly T[] {
    const all = [...this.#objects.values()];
    return namespace === undefined ? all : all.filter(({ metadata }) => metadata?.namespace === namespace);
  }

  byIndex(name: string, value: string): readonly T[] {
    return this.list().filter((object) => this.#indexes[name]?.(object) === value);
  }

  synced(): Promise<void> {
    return this.#synced.promise;
  }

  onChange(listener: (change: CacheChange<T>) => void): Disposable {
    for (const object of this.#objects.values()) listener({ type: "added", object });
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => this.#listeners.delete(listener) };
  }

  learn(object: T): void {
    const version = Number(object.metadata?.resourceVersion);
    const known = this.get(keyOf(object));
    // What is not known any more may have been deleted meanwhile: the watch tells.
    if (known === undefined || version <= Number(known.metadata?.resourceVersion)) return;
    if (object.metadata?.deletionTimestamp !== undefined && (object.metadata.finalizers ?? []).length === 0) return;
    this.#put(object);
  }

  async #once(signal: AbortSignal): Promise<void> {
    const { items, resourceVersion } = await this.#client.list(this.#kind, { signal });
    const there = new Set(items.map((object) => keyText(keyOf(object))));
    for (const [key, object] of [...this.#objects]) if (!there.has(key)) this.#remove(object);
    for (const object of items) this.#put(object);
    this.isSynced = true;
    this.#synced.resolve();
    for await (const event of this.#client.watch(this.#kind, { resourceVersion, signal })) {
      if (signal.aborted) return;
      if (event.type === "DELETED") this.#remove(event.object);
      else if (event.type !== "BOOKMARK") this.#put(event.object);
    }
  }

  #put(object: T): void {
    const key = keyText(keyOf(object));
    const previous = this.#objects.get(key);
    if (Number(previous?.metadata?.resourceVersion) >= Number(object.metadata?.resourceVersion)) return;
    this.#objects.set(key, object);
    this.#tell(previous === undefined ? { type: "added", object } : { type: "changed", object, previous });
  }

  #remove(object: T): void {
    if (this.#objects.delete(keyText(keyOf(object)))) this.#tell({ type: "deleted", object });
  }

  #tell(change: CacheChange<T>): void {
    for (const listener of this.#listeners) listener(change);
  }
}
