/**
 * The port to an API server. Implemented over HTTP by `connectCluster`; tests of reconcilers use the real one or `FakeCluster`.
 *
 * Every call throws `ApiError` (a `PlatformError` with the server's status), or `PlatformError` when the credentials on our side are no good, and ends at
 * its deadline or with the reason of the caller's signal. Calls that the server refuses with 429 or a retryable 5xx are repeated, as its Retry-After says,
 * within the deadline, when repeating is safe.
 */
import type { KubernetesObject, ObjectKey, Resource } from "../object.ts";

export interface CallOptions {
  /** Milliseconds for the whole call, repeats included. Default 30,000. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

export interface WriteOptions extends CallOptions {
  /** Name that owns the written fields. Default: the client's. */
  readonly fieldManager?: string;
  readonly dryRun?: boolean;
  /** For example "status". */
  readonly subresource?: string;
}

export interface ApplyOptions extends WriteOptions {
  /** Takes fields over from other managers instead of failing with a conflict. Default true: a controller owns what it applies. */
  readonly force?: boolean;
}

/** `timeoutMs` is for each page. */
export interface ListOptions extends CallOptions {
  /** Absent = all namespaces. */
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  /** Objects a page. Default 500; pages are followed to the end. */
  readonly pageSize?: number;
  /** "0" = any state that the server has at hand; absent = the newest. */
  readonly resourceVersion?: string;
  /** Called for each object as its page comes in; what it leaves out does not pile up. Default: objects stay as they are. */
  readonly transform?: (object: KubernetesObject) => KubernetesObject;
}

export interface ObjectList<T> {
  readonly items: readonly T[];
  /** Where a watch goes on from. */
  readonly resourceVersion: string;
}

export interface WatchOptions extends Omit<ListOptions, "pageSize" | "transform"> {
  readonly resourceVersion: string;
  /** Seconds after which the server ends the watch. Default 300 to 600, at random. */
  readonly timeoutSeconds?: number;
  /** A watch without any event or bookmark for so long is broken off with reason "Silent". Milliseconds, default 90,000. */
  readonly silenceMs?: number;
}

export type WatchEvent<T> =
  | { readonly type: "ADDED" | "MODIFIED" | "DELETED"; readonly object: T }
  | { readonly type: "BOOKMARK"; readonly resourceVersion: string };

export interface DeleteOptions extends CallOptions {
  readonly propagationPolicy?: "Background" | "Foreground" | "Orphan";
  /** Only this very object is deleted; another one of the same name is a conflict. */
  readonly uid?: string;
  readonly resourceVersion?: string;
}

/** RFC 6902. */
export type JsonPatch = readonly {
  readonly op: "add" | "remove" | "replace" | "test";
  readonly path: string;
  readonly value?: unknown;
}[];

export interface KubernetesClient {
  /** Throws NotFound. */
  get<T extends KubernetesObject>(kind: Resource<T>, key: ObjectKey, options?: CallOptions): Promise<T>;
  /** Undefined instead of NotFound. */
  find<T extends KubernetesObject>(kind: Resource<T>, key: ObjectKey, options?: CallOptions): Promise<T | undefined>;
  list<T extends KubernetesObject>(kind: Resource<T>, options?: ListOptions): Promise<ObjectList<T>>;
  /**
   * Ends when the server ends it; throws `ApiError` with reason "Expired" when the version is too old (410), also when that comes as an event, and with
   * reason "Silent" when nothing came for too long. Not repeated by itself: whoever watches knows where to go on from. `timeoutMs` does not count.
   */
  watch<T extends KubernetesObject>(kind: Resource<T>, options: WatchOptions): AsyncIterable<WatchEvent<T>>;
  create<T extends KubernetesObject>(kind: Resource<T>, object: T, options?: WriteOptions): Promise<T>;
  /** Optimistic: fails with Conflict unless `metadata.resourceVersion` is the newest. */
  replace<T extends KubernetesObject>(kind: Resource<T>, object: T, options?: WriteOptions): Promise<T>;
  mergePatch<T extends KubernetesObject>(
    kind: Resource<T>,
    key: ObjectKey,
    patch: unknown,
    options?: WriteOptions,
  ): Promise<T>;
  jsonPatch<T extends KubernetesObject>(
    kind: Resource<T>,
    key: ObjectKey,
    patch: JsonPatch,
    options?: WriteOptions,
  ): Promise<T>;
  /**
   * Server-side apply: `configuration` holds every field that this manager wants to own, and no other; apiVersion and kind are filled in.
   * Leave a map out when none of its fields is wanted: stated as empty (`status: {}`) after it held a field of this manager, the server refuses it as Invalid.
   */
  apply<T extends KubernetesObject>(
    kind: Resource<T>,
    key: ObjectKey,
    configuration: object,
    options?: ApplyOptions,
  ): Promise<T>;
  /** Deleting what is gone succeeds. */
  delete(kind: Resource, key: ObjectKey, options?: DeleteOptions): Promise<void>;
  /** Any path, for subresources and discovery. */
  request(
    method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE",
    path: string,
    body?: unknown,
    options?: CallOptions,
  ): Promise<unknown>;
  close(): Promise<void>;
}
