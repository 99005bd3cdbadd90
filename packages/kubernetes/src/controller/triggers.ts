/** Triggers: which keys a change of something else concerns. */
import type { CacheChange, ObjectCache } from "../cache/cache.ts";
import type { KubernetesObject, ObjectKey, OwnerReference, Resource } from "../object.ts";
import type { Trigger } from "./controller.ts";

/** The keys that an object of another kind concerns. */
export type KeyMapping<T> = (object: T, change: CacheChange<T>) => Iterable<ObjectKey>;

/** Enqueues what `map` says for each change of the cache's kind (for both the old and the new object) that `accepts` lets pass. */
export function watchObjects<T extends KubernetesObject>(
  cache: ObjectCache<T>,
  map: KeyMapping<T>,
  accepts: (change: CacheChange<T>) => boolean = () => true,
): Trigger {
  return {
    start: (enqueue) =>
      cache.onChange((change) => {
        if (!accepts(change)) return;
        const objects = change.type === "changed" ? [change.previous, change.object] : [change.object];
        for (const object of objects) for (const key of map(object, change)) enqueue(key);
      }),
  };
}

/** The object's owners of that kind, in whatever version they are named; cluster-scoped owners have no namespace. */
export function toOwners(
  owner: Pick<Resource, "group" | "kind" | "namespaced">,
): (object: KubernetesObject) => ObjectKey[] {
  return (object) =>
    ownersOf(object, owner).map(({ name }) => ({
      namespace: owner.namespaced ? (object.metadata?.namespace ?? "") : "",
      name,
    }));
}

/** Owner references of that API group and kind; the version does not matter. */
export function ownersOf(object: KubernetesObject, owner: Pick<Resource, "group" | "kind">): readonly OwnerReference[] {
  return (object.metadata?.ownerReferences ?? []).filter(
    ({ apiVersion, kind }) => kind === owner.kind && groupOf(apiVersion) === owner.group,
  );
}

/** The API group of "group/version"; "" for the core group's "v1". */
export function groupOf(apiVersion: string): string {
  const slash = apiVersion.indexOf("/");
  return slash < 0 ? "" : apiVersion.slice(0, slash);
}

/** The key in the object's own namespace that a label of it names, if it has the label. */
export function toLabelled(label: string): (object: KubernetesObject) => ObjectKey[] {
  return (object) => {
    const name = object.metadata?.labels?.[label];
    return name === undefined || name === "" ? [] : [{ namespace: object.metadata?.namespace ?? "", name }];
  };
}

/** All objects of `cache` that its index `index` knows under the value that `valueIn` gives for the changed object. */
export function toIndexed<T extends KubernetesObject, Dependent extends KubernetesObject>(
  cache: ObjectCache<Dependent>,
  index: string,
  valueIn: (object: T) => string | undefined,
): KeyMapping<T> {
  return (object) => {
    const value = valueIn(object);
    if (value === undefined) return [];
    return cache
      .byIndex(index, value)
      .map(({ metadata }) => ({ namespace: metadata?.namespace ?? "", name: metadata?.name ?? "" }));
  };
}

/** A trigger that is pulled by hand: for news from outside the cluster. What is pulled before a controller listens is lost. */
export function handTrigger(): Trigger & { readonly pull: (key: ObjectKey, afterMs?: number) => void } {
  const listeners = new Set<(key: ObjectKey, afterMs?: number) => void>();
  return {
    pull: (key, afterMs) => {
      for (const listener of listeners) listener(key, afterMs);
    },
    start: (enqueue) => {
      listeners.add(enqueue);
      return { [Symbol.dispose]: () => listeners.delete(enqueue) };
    },
  };
}
