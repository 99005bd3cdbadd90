/** `openCache(client, kind, options)`: an `ObjectCache` over list and watch, filled once it is started. */
import { type Clock, type Entropy, systemClock, systemEntropy, type Timer } from "@liquidmetal/foundation";
import type { KubernetesClient } from "../client/client.ts";
import { labelMatcher } from "../client/label-selector.ts";
import type { KubernetesObject, ObjectKey, Resource } from "../object.ts";
import type { CacheChange, CacheObserver, RunnableCache } from "./cache.ts";
import { ListWatch } from "./list-watch.ts";
import { type IndexFunctions, ObjectStore } from "./object-store.ts";

export interface CacheOptions<T extends KubernetesObject> {
  /** Absent = all namespaces. */
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  /** By name: the values under which `byIndex` finds an object. */
  readonly indexes?: IndexFunctions<T>;
  /** What is kept of an object. Default: everything but `managedFields`, which is a third of most objects and of no use here. */
  readonly transform?: (object: T) => T;
  /** Tells listeners of every object again after about this time (10 % jitter), milliseconds. Default: never. */
  readonly resyncMs?: number;
  /** Objects a page of the list. Default 500. */
  readonly pageSize?: number;
  /** A watch that is silent for longer is opened again, milliseconds. Default 90,000. */
  readonly silenceMs?: number;
  readonly observer?: CacheObserver;
  readonly clock?: Clock;
  readonly entropy?: Entropy;
}

export function openCache<T extends KubernetesObject>(
  client: KubernetesClient,
  resource: Resource<T>,
  options: CacheOptions<T> = {},
): RunnableCache<T> {
  return new WatchedCache(client, resource, options);
}

/** The object without `metadata.managedFields`. */
export function withoutManagedFields<T extends KubernetesObject>(object: T): T {
  if (object.metadata?.managedFields === undefined) return object;
  const { managedFields: _, ...metadata } = object.metadata;
  return { ...object, metadata };
}

class WatchedCache<T extends KubernetesObject> implements RunnableCache<T> {
  readonly #options: CacheOptions<T>;
  readonly #clock: Clock;
  readonly #entropy: Entropy;
  readonly #store: ObjectStore<T>;
  readonly #listWatch: ListWatch<T>;
  readonly #transform: (object: T) => T;
  readonly #selects: (object: T) => boolean;
  readonly #synced: PromiseWithResolvers<void> = Promise.withResolvers();
  #isSynced = false;
  #started = false;

  constructor(client: KubernetesClient, resource: Resource<T>, options: CacheOptions<T>) {
    const { namespace, labelSelector, fieldSelector, observer = {} } = options;
    const { clock = systemClock, entropy = systemEntropy } = options;
    const onDefect = (error: unknown): void => observer.onDefect?.(error);
    const matches = labelMatcher(labelSelector ?? "");
    this.#options = options;
    this.#clock = clock;
    this.#entropy = entropy;
    this.#store = new ObjectStore(options.indexes ?? {}, onDefect);
    this.#transform = guarded(options.transform ?? withoutManagedFields, onDefect);
    this.#selects = ({ metadata }) =>
      matches(metadata?.labels) && (namespace === undefined || namespace === (metadata?.namespace ?? ""));
    this.#listWatch = new ListWatch({
      client,
      resource,
      store: this.#store,
      selection: {
        ...(namespace === undefined ? {} : { namespace }),
        ...(labelSelector === undefined ? {} : { labelSelector }),
        ...(fieldSelector === undefined ? {} : { fieldSelector }),
      },
      pageSize: options.pageSize,
      silenceMs: options.silenceMs,
      transform: this.#transform,
      onSynced: () => {
        this.#isSynced = true;
        this.#synced.resolve();
      },
      clock,
      entropy,
      observer,
    });
  }

  get isSynced(): boolean {
    return this.#isSynced;
  }

  get size(): number {
    return this.#store.size;
  }

  get(key: ObjectKey): T | undefined {
    return this.#store.get(key);
  }

  list(namespace?: string): readonly T[] {
    return this.#store.list(namespace);
  }

  byIndex(name: string, value: string): readonly T[] {
    return this.#store.byIndex(name, value);
  }

  onChange(listener: (change: CacheChange<T>) => void): Disposable {
    return this.#store.onChange(listener);
  }

  learn(object: T): void {
    // Before the first list nothing is known that it could be compared with; what a field selector chooses only the server knows.
    if (!this.#isSynced || this.#options.fieldSelector !== undefined || !this.#selects(object)) return;
    this.#store.learn(this.#transform(object));
  }

  async synced(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    if (this.#isSynced || signal === undefined) return this.#synced.promise;
    const aborted = Promise.withResolvers<never>();
    const abort = (): void => aborted.reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    try {
      await Promise.race([this.#synced.promise, aborted.promise]);
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  async start(signal: AbortSignal): Promise<void> {
    if (this.#started) throw new Error("this cache was started already");
    this.#started = true;
    using _resync = this.#resync();
    await this.#listWatch.run(signal);
  }

  #resync(): Disposable {
    const { resyncMs } = this.#options;
    let timer: Timer | undefined;
    const wait = (): void => {
      if (resyncMs === undefined) return;
      timer = this.#clock.timer(resyncMs * (0.9 + this.#entropy.fraction() / 5), () => {
        this.#store.repeat();
        wait();
      });
    };
    wait();
    return { [Symbol.dispose]: () => timer?.cancel() };
  }
}

/** An object that the transform cannot handle is kept whole. */
function guarded<T>(transform: (object: T) => T, onDefect: (error: unknown) => void): (object: T) => T {
  return (object) => {
    try {
      return transform(object);
    } catch (error) {
      onDefect(error);
      return object;
    }
  };
}
