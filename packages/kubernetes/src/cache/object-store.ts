/**
 * The objects of a cache and how they change: by a list, by events of a watch, by answers to our own writes. Older never replaces newer.
 *
 * `seen` is the version up to which every change is known: an object that is not there and older than that is gone, not unknown.
 */
import { type KubernetesObject, keyOf, keyText, type ObjectKey } from "../object.ts";
import type { CacheChange } from "./cache.ts";
import { ChangeFeed } from "./change-feed.ts";
import { ObjectIndex } from "./object-index.ts";
import { compareVersions } from "./resource-version.ts";

export type IndexFunctions<T> = Readonly<Record<string, (object: T) => readonly string[]>>;

export class ObjectStore<T extends KubernetesObject> {
  readonly #objects: Map<string, T> = new Map();
  readonly #byNamespace: ObjectIndex<T> = new ObjectIndex(({ metadata }) => [metadata?.namespace ?? ""]);
  readonly #indexes: ReadonlyMap<string, ObjectIndex<T>>;
  readonly #feed: ChangeFeed<T>;
  #seen: string | undefined;

  constructor(indexes: IndexFunctions<T>, onDefect: (error: unknown) => void) {
    this.#feed = new ChangeFeed(onDefect);
    this.#indexes = new Map(
      Object.entries(indexes).map(([name, valuesOf]) => [name, new ObjectIndex(guarded(valuesOf, onDefect))]),
    );
  }

  get size(): number {
    return this.#objects.size;
  }

  get(key: ObjectKey): T | undefined {
    return this.#objects.get(keyText(key));
  }

  list(namespace?: string): readonly T[] {
    return namespace === undefined ? [...this.#objects.values()] : this.#byNamespace.get(namespace);
  }

  byIndex(name: string, value: string): readonly T[] {
    const index = this.#indexes.get(name);
    if (index === undefined) throw new Error(`this cache has no index "${name}"`);
    return index.get(value);
  }

  onChange(listener: (change: CacheChange<T>) => void): Disposable {
    return this.#feed.listen(listener, this.#objects.values());
  }

  /** The objects are these, as of `version`. `onFilled` runs before anyone is told. */
  replaceAll(objects: readonly T[], version: string, onFilled: () => void): void {
    // A server that was set back to an older state is right: what we know of its future is void.
    const isSetBack = compareVersions(version, this.#seen) < 0;
    this.#seen = version;
    const changes: CacheChange<T>[] = [];
    const present = new Set(objects.map((object) => keyText(keyOf(object))));
    for (const [key, object] of this.#objects) {
      const isLater = compareVersions(object.metadata?.resourceVersion, version) > 0;
      if (!present.has(key) && (isSetBack || !isLater)) changes.push(this.#take(key, object));
    }
    for (const object of objects) changes.push(...this.#set(object, isSetBack));
    onFilled();
    this.#feed.publish(changes);
  }

  /** An event of the watch: the object is now so. */
  put(object: T): void {
    this.reached(object.metadata?.resourceVersion);
    this.#feed.publish(this.#set(object, false));
  }

  /** An event of the watch: the object is gone; this is its last state. */
  remove(last: T): void {
    this.reached(last.metadata?.resourceVersion);
    const key = keyText(keyOf(last));
    const present = this.#objects.get(key);
    if (present === undefined) return;
    // Made anew meanwhile, and we know because we made it.
    if (compareVersions(last.metadata?.resourceVersion, present.metadata?.resourceVersion) < 0) return;
    this.#take(key, present);
    this.#feed.publish([{ type: "deleted", object: last }]);
  }

  /** Every change up to `version` is known. */
  reached(version: string | undefined): void {
    if (this.#seen === undefined || compareVersions(version, this.#seen) > 0) this.#seen = version;
  }

  /** The server's answer to a write of ours. */
  learn(object: T): void {
    const { deletionTimestamp, finalizers = [], resourceVersion } = object.metadata ?? {};
    if (deletionTimestamp !== undefined && finalizers.length === 0) return;
    if (compareVersions(resourceVersion, this.#seen) > 0) this.#feed.publish(this.#set(object, false));
  }

  /** Tells the listeners of every object again. */
  repeat(): void {
    this.#feed.publish([...this.#objects.values()].map((object) => ({ type: "changed", object, previous: object })));
  }

  #set(object: T, regardless: boolean): readonly CacheChange<T>[] {
    const key = keyText(keyOf(object));
    const previous = this.#objects.get(key);
    if (previous === undefined) {
      this.#add(key, object);
      return [{ type: "added", object }];
    }
    const isSame = previous.metadata?.resourceVersion === object.metadata?.resourceVersion;
    const age = compareVersions(object.metadata?.resourceVersion, previous.metadata?.resourceVersion);
    if (!regardless && (isSame || age < 0)) return [];
    const gone = this.#take(key, previous);
    this.#add(key, object);
    if (previous.metadata?.uid === object.metadata?.uid) return [{ type: "changed", object, previous }];
    return [gone, { type: "added", object }];
  }

  #add(key: string, object: T): void {
    this.#objects.set(key, object);
    this.#byNamespace.add(key, object);
    for (const index of this.#indexes.values()) index.add(key, object);
  }

  #take(key: string, object: T): CacheChange<T> {
    this.#objects.delete(key);
    this.#byNamespace.remove(key, object);
    for (const index of this.#indexes.values()) index.remove(key, object);
    return { type: "deleted", object };
  }
}

/** An index function that throws makes its object unfindable by it, and nothing worse. */
function guarded<T>(
  valuesOf: (object: T) => readonly string[],
  onDefect: (error: unknown) => void,
): (object: T) => readonly string[] {
  return (object) => {
    try {
      return valuesOf(object);
    } catch (error) {
      onDefect(error);
      return [];
    }
  };
}
