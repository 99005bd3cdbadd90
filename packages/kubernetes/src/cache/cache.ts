/**
 * A cache: the objects of one kind as last seen, kept true by list and watch. Objects in it are frozen by convention: nobody changes them.
 *
 * What a controller has just written may not be in the cache yet; `expect` lets it wait for that instead of acting on what is old.
 */
import type { KubernetesObject, ObjectKey } from "../object.ts";

export type CacheChange<T> =
  | { readonly type: "added"; readonly object: T }
  | { readonly type: "changed"; readonly object: T; readonly previous: T }
  | { readonly type: "deleted"; readonly object: T };

export interface ObjectCache<T extends KubernetesObject> {
  get(key: ObjectKey): T | undefined;
  list(namespace?: string): readonly T[];
  /** Objects for which the index function of that name gave `value`. */
  byIndex(name: string, value: string): readonly T[];
  /** Resolves when the first list is in. */
  synced(signal?: AbortSignal): Promise<void>;
  readonly isSynced: boolean;
  /** Called for each change from now on, in order, and at once with "added" for what is there. */
  onChange(listener: (change: CacheChange<T>) => void): Disposable;
  /** Puts in what the server just answered to a write, unless the cache already knows something newer. */
  learn(object: T): void;
}
