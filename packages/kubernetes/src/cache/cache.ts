/**
 * A cache: the objects of one kind as last seen, kept true by list and watch. Objects in it are frozen by convention: nobody changes them.
 *
 * What a controller has just written may not be in the cache yet; `learn` puts the server's answer in, so that the next look does not act on what is old.
 */
import type { KubernetesObject, ObjectKey } from "../object.ts";

export type CacheChange<T> =
  | { readonly type: "added"; readonly object: T }
  | { readonly type: "changed"; readonly object: T; readonly previous: T }
  | { readonly type: "deleted"; readonly object: T };

export interface ObjectCache<T extends KubernetesObject> {
  get(key: ObjectKey): T | undefined;
  list(namespace?: string): readonly T[];
  /** Objects for which the index function of that name gave `value`. Throws when there is no such index. */
  byIndex(name: string, value: string): readonly T[];
  /** Resolves when the first list is in. */
  synced(signal?: AbortSignal): Promise<void>;
  readonly isSynced: boolean;
  /**
   * Called for each change from now on, in order, and at once with "added" for what is there. Never called twice at once; what a listener
   * throws harms nobody else. Objects that vanished while nothing was heard appear as "deleted".
   */
  onChange(listener: (change: CacheChange<T>) => void): Disposable;
  /** Puts in what the server just answered to a write, unless the cache already knows something newer. */
  learn(object: T): void;
}

/** A cache that has to be run to be filled. */
export interface RunnableCache<T extends KubernetesObject> extends ObjectCache<T> {
  /** Lists and watches until the signal is aborted, then resolves. Never rejects: troubles are told to the observer and tried again. */
  start(signal: AbortSignal): Promise<void>;
  /** Objects in it. */
  readonly size: number;
}

/** What a cache tells about itself, for metrics and logs. Every function is optional and must not throw. */
export interface CacheObserver {
  onListed?(list: { readonly objects: number; readonly durationMs: number }): void;
  onEvent?(type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK"): void;
  /** "ended" by the server as agreed, or the reason of the error. */
  onWatchEnded?(reason: string): void;
  /** Called once for each reason until all is well again; every further try that fails likewise is not told. */
  onProblem?(error: unknown): void;
  onRecovered?(): void;
  /** A listener, an index function or the transform threw. */
  onDefect?(error: unknown): void;
}
