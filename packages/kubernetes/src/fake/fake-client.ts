/** A `KubernetesClient` whose server is a `FakeCluster`: the same promises, no network. */

import { ifFound, isNotFound } from "../client/api-error.ts";
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
} from "../client/client.ts";
import { checkReplaceable } from "../client/replaceable.ts";
import { objectPath } from "../client/resource-path.ts";
import type { KubernetesObject, ObjectKey, Resource } from "../object.ts";
import type { FakeCall, Verb } from "./call-script.ts";
import type { FakeServer } from "./fake-server.ts";
import { type JsonObject, overTheWire } from "./json.ts";
import type { Writer } from "./object-rules.ts";
import { jsonPatched, mergePatched } from "./patch.ts";

export class FakeClient implements KubernetesClient {
  readonly #server: FakeServer;
  readonly #fieldManager: string;

  constructor(server: FakeServer, fieldManager: string) {
    this.#server = server;
    this.#fieldManager = fieldManager;
  }

  get<T extends KubernetesObject>(kind: Resource<T>, key: ObjectKey, options: CallOptions = {}): Promise<T> {
    return this.#call("get", kind, key, options, undefined, () => this.#server.get(kind, key));
  }

  async find<T extends KubernetesObject>(
    kind: Resource<T>,
    key: ObjectKey,
    options: CallOptions = {},
  ): Promise<T | undefined> {
    return await ifFound(this.get(kind, key, options));
  }

  list<T extends KubernetesObject>(kind: Resource<T>, options: ListOptions = {}): Promise<ObjectList<T>> {
    const call = this.#describe("list", kind, { namespace: options.namespace ?? "", name: "" }, options, undefined);
    return this.#server.script.run(call, options.signal, () => {
      const { items, resourceVersion } = this.#server.list(kind, options);
      const { transform = (object) => object } = options;
      return { items: items.map((item) => transform(received<T>(item)) as T), resourceVersion };
    });
  }

  async *watch<T extends KubernetesObject>(kind: Resource<T>, options: WatchOptions): AsyncIterable<WatchEvent<T>> {
    const call = this.#describe("watch", kind, { namespace: options.namespace ?? "", name: "" }, options, undefined);
    const watch = await this.#server.script.run(call, options.signal, () => this.#server.watch(kind, options));
    try {
      for await (const event of watch.events()) {
        yield event.type === "BOOKMARK" ? event : { type: event.type, object: received<T>(event.object) };
      }
    } finally {
      this.#server.endWatch(watch);
    }
  }

  create<T extends KubernetesObject>(kind: Resource<T>, object: T, options: WriteOptions = {}): Promise<T> {
    const key = { namespace: object.metadata?.namespace ?? "", name: object.metadata?.name ?? "" };
    return this.#write("create", kind, key, options, object, (writer) =>
      this.#server.writer.create(kind, overTheWire(object), writer),
    );
  }

  async replace<T extends KubernetesObject>(kind: Resource<T>, object: T, options: WriteOptions = {}): Promise<T> {
    const key = checkReplaceable(kind, object);
    return this.#write("replace", kind, key, options, object, (writer) =>
      this.#server.writer.update(kind, key, writer, () => overTheWire(object)),
    );
  }

  mergePatch<T extends KubernetesObject>(
    kind: Resource<T>,
    key: ObjectKey,
    patch: unknown,
    options: WriteOptions = {},
  ): Promise<T> {
    return this.#write("mergePatch", kind, key, options, patch, (writer) =>
      this.#server.writer.update(kind, key, writer, (live) => overTheWire(mergePatched(live, overTheWire(patch)))),
    );
  }

  jsonPatch<T extends KubernetesObject>(
    kind: Resource<T>,
    key: ObjectKey,
    patch: JsonPatch,
    options: WriteOptions = {},
  ): Promise<T> {
    return this.#write("jsonPatch", kind, key, options, patch, (writer) =>
      this.#server.writer.update(kind, key, writer, (live) => jsonPatched(live, patch)),
    );
  }

  apply<T extends KubernetesObject>(
    kind: Resource<T>,
    key: ObjectKey,
    configuration: object,
    options: ApplyOptions = {},
  ): Promise<T> {
    const { force = true } = options;
    return this.#write("apply", kind, key, options, configuration, (writer) =>
      this.#server.writer.apply(kind, key, overTheWire(configuration), writer, force),
    );
  }

  async delete(kind: Resource, key: ObjectKey, options: DeleteOptions = {}): Promise<void> {
    objectPath(kind, key);
    const call = this.#describe("delete", kind, key, options, undefined);
    try {
      await this.#server.script.run(call, options.signal, () => this.#server.delete(kind, key, options));
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
    const none = { namespace: "", name: method, subresource: "", fieldManager: this.#fieldManager };
    const call: FakeCall = { verb: "request", kind: path, ...none, ...(body === undefined ? {} : { body }) };
    return await this.#server.script.run(call, options.signal, () => this.#server.answerTo(method, path, body));
  }

  async close(): Promise<void> {}

  #write<T extends KubernetesObject>(
    verb: Verb,
    kind: Resource<T>,
    key: ObjectKey,
    options: WriteOptions,
    body: unknown,
    work: (writer: Writer) => JsonObject,
  ): Promise<T> {
    const { fieldManager = this.#fieldManager, subresource = "", dryRun = false } = options;
    return this.#call(verb, kind, key, options, body, () => {
      this.#server.know(kind, subresource);
      return work({ fieldManager, subresource, dryRun });
    });
  }

  async #call<T extends KubernetesObject>(
    verb: Verb,
    kind: Resource<T>,
    key: ObjectKey,
    options: WriteOptions,
    body: unknown,
    work: () => JsonObject,
  ): Promise<T> {
    if (verb !== "create") objectPath(kind, key);
    const call = this.#describe(verb, kind, key, options, body);
    return this.#server.script.run(call, options.signal, () => received<T>(work()));
  }

  #describe(verb: Verb, kind: Resource, key: ObjectKey, options: WriteOptions, body: unknown): FakeCall {
    const { fieldManager = this.#fieldManager, subresource = "" } = options;
    const call = { verb, kind: kind.kind, namespace: key.namespace, name: key.name, subresource, fieldManager };
    return body === undefined ? call : { ...call, body: structuredClone(body) };
  }
}

/** A copy, typed as the resource says. */
function received<T extends KubernetesObject>(object: JsonObject): T {
  return JSON.parse(JSON.stringify(object));
}
