/**
 * Keeps an `ObjectStore` true: list, then watch from there, for ever.
 *
 * A watch that ends, breaks or falls silent is opened again from the last version heard; only a version that is no longer kept (410) costs a new list.
 * Failures are answered by growing, jittered delays, and forgotten only when the server has said something again.
 */
import { backoffDelayMs, type Clock, type Entropy, sleep } from "@liquidmetal/foundation";
import { ApiError, isExpired } from "../client/api-error.ts";
import type { KubernetesClient } from "../client/client.ts";
import type { KubernetesObject, Resource } from "../object.ts";
import type { CacheObserver } from "./cache.ts";
import type { ObjectStore } from "./object-store.ts";

export interface ListWatchOptions<T extends KubernetesObject> {
  readonly client: KubernetesClient;
  readonly resource: Resource<T>;
  readonly store: ObjectStore<T>;
  readonly selection: { readonly namespace?: string; readonly labelSelector?: string; readonly fieldSelector?: string };
  readonly pageSize: number | undefined;
  readonly silenceMs: number | undefined;
  readonly transform: (object: T) => T;
  readonly onSynced: () => void;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly observer: CacheObserver;
}

const backoff = { baseMs: 500, capMs: 10_000 };
/** A page of large objects over a slow line takes its time. */
const listTimeoutMs = 120_000;
/** A watch that held so long without an event was a good one. */
const goodAfterMs = 5_000;

export class ListWatch<T extends KubernetesObject> {
  readonly #options: ListWatchOptions<T>;
  /** Where the next watch goes on from; undefined = a list is needed. */
  #version: string | undefined;
  #failures = 0;
  #problem: string | undefined;

  constructor(options: ListWatchOptions<T>) {
    this.#options = options;
  }

  /** Until the signal is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, entropy } = this.#options;
    while (!signal.aborted) {
      const wishMs = await this.#once(signal);
      if (signal.aborted || this.#failures === 0 || wishMs === undefined) continue;
      const delayMs = Math.max(wishMs, backoffDelayMs(this.#failures, entropy.fraction(), backoff));
      await sleep(clock, delayMs, signal).catch(() => undefined);
    }
  }

  /** One list, if needed, and one watch. Gives back how long the server wants to be left alone, milliseconds; undefined = go on at once. */
  async #once(signal: AbortSignal): Promise<number | undefined> {
    const { clock, observer } = this.#options;
    let openedMs: number | undefined;
    try {
      this.#version ??= await this.#list(signal);
      openedMs = clock.monotonicMs();
      await this.#watch(this.#version, signal);
      observer.onWatchEnded?.("ended");
      this.#judge(clock.monotonicMs() - openedMs);
      return 0;
    } catch (error) {
      if (signal.aborted) return 0;
      const reason = error instanceof ApiError ? error.reason : "Unknown";
      if (openedMs !== undefined) observer.onWatchEnded?.(reason);
      if (openedMs !== undefined && reason === "Silent") {
        this.#judge(clock.monotonicMs() - openedMs);
        return 0;
      }
      this.#failures += 1;
      if (isExpired(error)) this.#version = undefined;
      // A 410 after a watch that was good is the normal course of things, and answered by a list at once.
      if (isExpired(error) && this.#failures === 1) return undefined;
      this.#tell(reason, error);
      return error instanceof ApiError ? (error.retryAfterMs ?? 0) : 0;
    }
  }

  async #list(signal: AbortSignal): Promise<string> {
    const { client, resource, store, selection, pageSize, transform, onSynced, clock, observer } = this.#options;
    const startedMs = clock.monotonicMs();
    // Newest state, not any: a controller that starts on an old one would repeat what it did before it was stopped.
    const { items, resourceVersion } = await client.list(resource, {
      ...selection,
      ...(pageSize === undefined ? {} : { pageSize }),
      transform: (object) => transform(object as T),
      timeoutMs: listTimeoutMs,
      signal,
    });
    store.replaceAll(items, resourceVersion, onSynced);
    this.#settled();
    observer.onListed?.({ objects: items.length, durationMs: clock.monotonicMs() - startedMs });
    return resourceVersion;
  }

  async #watch(version: string, signal: AbortSignal): Promise<void> {
    const { client, resource, store, selection, silenceMs, transform, observer } = this.#options;
    const silence = silenceMs === undefined ? {} : { silenceMs };
    for await (const event of client.watch(resource, { ...selection, ...silence, resourceVersion: version, signal })) {
      this.#recovered();
      observer.onEvent?.(event.type);
      if (event.type === "BOOKMARK") {
        this.#version = event.resourceVersion;
        store.reached(event.resourceVersion);
        continue;
      }
      this.#version = event.object.metadata?.resourceVersion ?? this.#version;
      if (event.type === "DELETED") store.remove(transform(event.object));
      else store.put(transform(event.object));
    }
  }

  /** A watch that ended at once without a word is no better than a failed one. */
  #judge(lastedMs: number): void {
    if (lastedMs >= goodAfterMs) this.#recovered();
    else if (this.#failures > 0 || lastedMs < 100) this.#failures += 1;
  }

  #recovered(): void {
    this.#failures = 0;
    this.#settled();
  }

  #settled(): void {
    if (this.#problem === undefined) return;
    this.#problem = undefined;
    this.#options.observer.onRecovered?.();
  }

  #tell(reason: string, error: unknown): void {
    if (this.#problem === reason) return;
    this.#problem = reason;
    this.#options.observer.onProblem?.(error);
  }
}
