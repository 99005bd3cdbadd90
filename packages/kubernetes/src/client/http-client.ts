/** `KubernetesClient` over HTTP: which request each call is, and what may be repeated. */
import type { Clock, Entropy } from "@liquidmetal/foundation";
import { apiVersionOf, type KubernetesObject, keyOf, keyText, type ObjectKey, type Resource } from "../object.ts";
import { ApiError, ifFound, isNotFound } from "./api-error.ts";
import type { Call, CallRunner } from "./call-runner.ts";
import type {
  ApplyOptions,
  CallOptions,
  DeleteOptions,
  JsonPatch,
  KubernetesClient,
  ListOptions,
  ObjectList,
  WatchEvent,
  WatchOptions,
  WriteOptions,
} from "./client.ts";
import { listAll } from "./object-list.ts";
import { checkReplaceable } from "./replaceable.ts";
import { collectionPath, objectPath, query } from "./resource-path.ts";
import type { Transport } from "./transport.ts";
import { watchStream } from "./watch-stream.ts";

export interface HttpClientOptions {
  readonly transport: Transport;
  readonly calls: CallRunner;
  readonly clock: Clock;
  readonly entropy: Entropy;
  /** Owner of written fields unless the call names another. */
  readonly fieldManager: string;
  /** Deadline of a call unless it has its own, milliseconds. */
  readonly timeoutMs: number;
  /** Largest event of a watch, bytes. */
  readonly eventLimitBytes: number;
}

interface Shape {
  readonly method: Call["method"];
  readonly path: string;
  readonly repeatable: boolean;
  readonly body?: unknown;
  readonly contentType?: string;
}

const defaultSilenceMs = 90_000;

export class HttpClient implements KubernetesClient {
  readonly #options: HttpClientOptions;

  constructor(options: HttpClientOptions) {
    this.#options = options;
  }

  async get<T extends KubernetesObject>(kind: Resource<T>, key: ObjectKey, options: CallOptions = {}): Promise<T> {
    return this.#object(kind, named("get", kind, key), options, {
      method: "GET",
      path: objectPath(kind, key),
      repeatable: true,
    });
  }

  async find<T extends KubernetesObject>(
    kind: Resource<T>,
    key: ObjectKey,
    options: CallOptions = {},
  ): Promise<T | undefined> {
    return await ifFound(this.get(kind, key, options));
  }

  /** The time limit is for each page. */
  list<T extends KubernetesObject>(kind: Resource<T>, options: ListOptions = {}): Promise<ObjectList<T>> {
    const operation = `list ${kind.plural}`;
    return listAll(kind, options, async (path) =>
      asObject(await this.#call(operation, options, { method: "GET", path, repeatable: true }), operation),
    );
  }

  async *watch<T extends KubernetesObject>(kind: Resource<T>, options: WatchOptions): AsyncIterable<WatchEvent<T>> {
    const { transport, clock, entropy, eventLimitBytes } = this.#options;
    const { namespace, labelSelector, fieldSelector, resourceVersion, silenceMs = defaultSilenceMs, signal } = options;
    const timeoutSeconds = options.timeoutSeconds ?? Math.round(300 * (1 + entropy.fraction()));
    const selection = { labelSelector, fieldSelector, resourceVersion, timeoutSeconds };
    yield* watchStream({
      transport,
      clock,
      resource: kind,
      path: collectionPath(kind, namespace) + query({ watch: true, allowWatchBookmarks: true, ...selection }),
      operation: `watch ${kind.plural}`,
      silenceMs,
      eventLimitBytes,
      signal,
    });
  }

  async create<T extends KubernetesObject>(kind: Resource<T>, object: T, options: WriteOptions = {}): Promise<T> {
    const key = keyOf(object);
    const collection = collectionPath(kind, kind.namespaced ? key.namespace : undefined);
    const path = options.subresource === undefined ? collection : objectPath(kind, key, options.subresource);
    return this.#object(kind, named("create", kind, key), options, {
      method: "POST",
      path: path + this.#writing(options),
      body: { ...object, ...typeOf(kind) },
      repeatable: false,
    });
  }

  async replace<T extends KubernetesObject>(kind: Resource<T>, object: T, options: WriteOptions = {}): Promise<T> {
    const key = checkReplaceable(kind, object);
    return this.#object(kind, named("replace", kind, key), options, {
      method: "PUT",
      path: objectPath(kind, key, options.subresource) + this.#writing(options),
      body: { ...object, ...typeOf(kind) },
      repeatable: true,
    });
  }

  async mergePatch<T extends KubernetesObject>(
    kind: Resource<T>,
    key: ObjectKey,
    patch: unknown,
    options: WriteOptions = {},
  ): Promise<T> {
    return this.#patch(kind, key, patch, options, "application/merge-patch+json");
  }

  async jsonPatch<T extends KubernetesObject>(
    kind: Resource<T>,
    key: ObjectKey,
    patch: JsonPatch,
    options: WriteOptions = {},
  ): Promise<T> {
    return this.#patch(kind, key, patch, options, "application/json-patch+json");
  }

  async apply<T extends KubernetesObject>(
    kind: Resource<T>,
    key: ObjectKey,
    configuration: object,
    options: ApplyOptions = {},
  ): Promise<T> {
    const stated: KubernetesObject = configuration;
    const namespace = kind.namespaced ? { namespace: key.namespace } : {};
    return this.#object(kind, named("apply", kind, key), options, {
      method: "PATCH",
      path: objectPath(kind, key, options.subresource) + this.#writing(options, { force: options.force ?? true }),
      body: { ...stated, ...typeOf(kind), metadata: { ...stated.metadata, name: key.name, ...namespace } },
      // JSON is YAML.
      contentType: "application/apply-patch+yaml",
      repeatable: true,
    });
  }

  async delete(kind: Resource, key: ObjectKey, options: DeleteOptions = {}): Promise<void> {
    const { propagationPolicy, uid, resourceVersion } = options;
    const body = {
      apiVersion: "v1",
      kind: "DeleteOptions",
      propagationPolicy,
      preconditions: uid === undefined && resourceVersion === undefined ? undefined : { uid, resourceVersion },
    };
    try {
      const path = objectPath(kind, key);
      await this.#call(named("delete", kind, key), options, { method: "DELETE", path, body, repeatable: true });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }

  async request(
    method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE",
    path: string,
    body?: unknown,
    options: CallOptions = {},
  ): Promise<unknown> {
    const repeatable = method === "GET" || method === "DELETE";
    const contentType = method === "PATCH" ? { contentType: "application/merge-patch+json" } : {};
    return await this.#call(`${method} ${path}`, options, { method, path, body, repeatable, ...contentType });
  }

  async close(): Promise<void> {
    await this.#options.transport.close();
  }

  #patch<T extends KubernetesObject>(
    kind: Resource<T>,
    key: ObjectKey,
    body: unknown,
    options: WriteOptions,
    contentType: string,
  ): Promise<T> {
    return this.#object(kind, named("patch", kind, key), options, {
      method: "PATCH",
      path: objectPath(kind, key, options.subresource) + this.#writing(options),
      body,
      contentType,
      repeatable: false,
    });
  }

  #writing(options: WriteOptions, more: { readonly force?: boolean } = {}): string {
    const { fieldManager = this.#options.fieldManager, dryRun = false } = options;
    return query({ fieldManager, ...more, dryRun: dryRun ? "All" : undefined });
  }

  async #object<T extends KubernetesObject>(
    kind: Resource<T>,
    operation: string,
    options: CallOptions,
    shape: Shape,
  ): Promise<T> {
    const answer = asObject(await this.#call(operation, options, shape), operation);
    return { ...(answer as T), ...typeOf(kind) };
  }

  async #call(operation: string, options: CallOptions, shape: Shape): Promise<unknown> {
    const { calls, timeoutMs } = this.#options;
    const { body, contentType = "application/json", ...request } = shape;
    const answer = await calls.run({
      ...request,
      ...(body === undefined ? {} : { body: JSON.stringify(body), contentType }),
      operation,
      timeoutMs: options.timeoutMs ?? timeoutMs,
      signal: options.signal,
    });
    return readAnswer(answer);
  }
}

/** JSON, or the text as it is ("ok" of /readyz). */
function readAnswer(answer: Buffer): unknown {
  const text = answer.toString("utf8");
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** A page of a proxy that wants a log-in also comes with 200. */
function asObject(answer: unknown, operation: string): object {
  if (typeof answer === "object" && answer !== null) return answer;
  const message = `the server answered something that is no Kubernetes object: ${String(answer).slice(0, 80)}`;
  throw new ApiError(message, { httpStatus: 200, reason: "Unknown", operation });
}

function typeOf(kind: Resource): { readonly apiVersion: string; readonly kind: string } {
  return { apiVersion: apiVersionOf(kind), kind: kind.kind };
}

function named(verb: string, kind: Resource, key: ObjectKey): string {
  return `${verb} ${kind.plural} ${keyText(key)}`;
}
