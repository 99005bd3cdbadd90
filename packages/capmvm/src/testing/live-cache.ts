/**
 * For tests of reconcilers: an `ObjectCache` that is never behind its `FakeCluster`, or stands still when the test says so.
 *
 * `learn` is counted and otherwise not needed; changes are told when the test calls `tell`.
 */
import { Broadcast } from "@liquidmetal/foundation";
import type { CacheChange, KubernetesObject, ObjectCache, ObjectKey, Resource } from "@liquidmetal/kubernetes";
import type { FakeCluster } from "@liquidmetal/kubernetes/fake";

export type Indexes<T> = Readonly<Record<string, (object: T) => string | readonly string[] | undefined>>;

export class LiveCache<T extends KubernetesObject> implements ObjectCache<T> {
  readonly isSynced = true;
  readonly #cluster: FakeCluster;
  readonly #resource: Resource<T>;
  readonly #indexes: Indexes<T>;
  readonly #changes: Broadcast<CacheChange<T>> = new Broadcast();
  #frozen: readonly T[] | undefined;

  constructor(cluster: FakeCluster, resource: Resource<T>, indexes: Indexes<T> = {}) {
    this.#cluster = cluster;
    this.#resource = resource;
    this.#indexes = indexes;
  }

  /** From now on nothing new is seen, not even what is learned, until `thaw`. */
  freeze(): void {
    this.#frozen = this.#cluster.objects(this.#resource);
  }

  thaw(): void {
    this.#frozen = undefined;
  }

  /** Tells listeners of a change, as a watch would. */
  tell(change: CacheChange<T>): void {
    this.#changes.publish(change);
  }

  get(key: ObjectKey): T | undefined {
    return this.list(key.namespace).find(({ metadata }) => metadata?.name === key.name);
  }

  list(namespace?: string): readonly T[] {
    const all = this.#frozen ?? this.#cluster.objects(this.#resource);
    return namespace === undefined ? all : all.filter(({ metadata }) => (metadata?.namespace ?? "") === namespace);
  }

  byIndex(name: string, value: string): readonly T[] {
    const index = this.#indexes[name];
    if (index === undefined) throw new Error(`the cache of ${this.#resource.kind} has no index ${name}`);
    return this.list().filter((object) => [index(object) ?? []].flat().includes(value));
  }

  async synced(): Promise<void> {}

  onChange(listener: (change: CacheChange<T>) => void): Disposable {
    for (const object of this.list()) listener({ type: "added", object });
    return this.#changes.listen(listener);
  }

  learn(): void {}
}
