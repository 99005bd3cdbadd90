/**
 * What a controller is made of. One key is worked on by one worker at a time; errors come back after a growing delay (5 ms to 16 min, jittered);
 * a result may ask to be called again.
 */
import type { ObjectCache } from "../cache/cache.ts";
import type { KubernetesObject, ObjectKey, Resource } from "../object.ts";

export interface ReconcileContext {
  /** Aborted when leadership is lost or the process stops. */
  readonly signal: AbortSignal;
  /** How often this key has failed in a row. */
  readonly failures: number;
}

export interface ReconcileResult {
  /** Call again after this time even if nothing happens. Absent = only when something happens. */
  readonly requeueAfterMs?: number;
}

/** The object may be gone: the reconciler reads it from its cache by key. */
export type Reconcile = (key: ObjectKey, context: ReconcileContext) => Promise<ReconcileResult | undefined>;

/** Another kind (or anything else that can wake a key) and the keys that a change of it concerns. */
export interface Trigger {
  start(enqueue: (key: ObjectKey, afterMs?: number) => void): Disposable;
}

export interface ControllerOptions<T extends KubernetesObject> {
  /** As in metrics and logs: "microvmmachine". */
  readonly name: string;
  readonly resource: Resource<T>;
  /** Changes of it enqueue its own key. */
  readonly cache: ObjectCache<T>;
  readonly triggers: readonly Trigger[];
  readonly reconcile: Reconcile;
  /** Keys worked on at once. Default 10. */
  readonly concurrency?: number;
  /** Objects for which it is false are not enqueued. */
  readonly accepts?: (object: T) => boolean;
  /** Every object is looked at again after this time, spread over a tenth of it. Default: never. */
  readonly resyncPeriodMs?: number;
}
