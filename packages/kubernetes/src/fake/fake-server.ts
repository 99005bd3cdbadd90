/** The inside of the fake API server: answers calls out of the history, keeps the open watches, collects garbage. */
import type { Clock, Entropy } from "@liquidmetal/foundation";
import type { DeleteOptions, ListOptions, WatchOptions } from "../client/client.ts";
import { labelMatcher } from "../client/label-selector.ts";
import type { ObjectKey, Resource } from "../object.ts";
import { CallScript } from "./call-script.ts";
import { FakeWatch } from "./fake-watch.ts";
import type { ListKeys } from "./field-ownership.ts";
import { Garbage } from "./garbage.ts";
import { type JsonObject, objectAt, textAt } from "./json.ts";
import { ObjectHistory, storageKind } from "./object-history.ts";
import { conflict, keyOfJson, refused } from "./object-rules.ts";
import { type Admission, answerOf, ObjectWriter } from "./object-writer.ts";

/** Answers `request` calls to paths of its own; undefined = not mine. */
export type RequestHandler = (method: string, path: string, body: unknown) => unknown;

export interface FakeServerOptions {
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly listKeys: ListKeys;
  readonly admit: Admission;
  readonly collectGarbage: boolean;
}

export class FakeServer {
  readonly script: CallScript;
  readonly history: ObjectHistory = new ObjectHistory();
  readonly writer: ObjectWriter;
  readonly watches: Set<FakeWatch> = new Set();
  readonly requestHandlers: Set<RequestHandler> = new Set();
  readonly #clock: Clock;
  readonly #resources: Map<string, Resource> = new Map();
  readonly #garbage: Garbage | undefined;

  constructor(options: FakeServerOptions) {
    this.#clock = options.clock;
    this.script = new CallScript(options.clock);
    const onRemoved = (object: JsonObject): void => this.#garbage?.afterRemoval(object);
    this.writer = new ObjectWriter({ ...options, history: this.history, onRemoved });
    this.#garbage = options.collectGarbage ? new Garbage(this.history, this.#resources, this.writer) : undefined;
  }

  /** Remembers the kind. Throws NotFound for subresources that it does not have. */
  know(resource: Resource, subresource = ""): void {
    if (subresource !== "" && subresource !== "status") {
      throw refused(404, "NotFound", `the fake has no subresource ${resource.plural}/${subresource}`);
    }
    this.#resources.set(storageKind(resource), resource);
  }

  get(resource: Resource, key: ObjectKey): JsonObject {
    return answerOf(this.writer.stored(resource, key));
  }

  list(
    resource: Resource,
    options: ListOptions,
  ): { readonly items: readonly JsonObject[]; readonly resourceVersion: string } {
    const selects = selection(options);
    const items = this.history
      .list(storageKind(resource))
      .filter(({ object }) => selects(object))
      .map(answerOf);
    return { items, resourceVersion: String(this.history.version) };
  }

  watch(resource: Resource, options: WatchOptions): FakeWatch {
    const version = Number(options.resourceVersion);
    if (!Number.isInteger(version) || version < 1) throw refused(400, "BadRequest", "a watch needs a resourceVersion");
    if (version < this.history.compactedTo) {
      throw refused(410, "Expired", `too old resource version: ${version} (${this.history.compactedTo})`);
    }
    const watch = new FakeWatch({
      history: this.history,
      clock: this.#clock,
      kind: storageKind(resource),
      namespace: options.namespace,
      selects: selection(options),
      version,
      silenceMs: options.silenceMs ?? 90_000,
      timeoutMs: (options.timeoutSeconds ?? 600) * 1_000,
      signal: options.signal,
    });
    this.watches.add(watch);
    return watch;
  }

  endWatch(watch: FakeWatch): void {
    this.watches.delete(watch);
  }

  delete(resource: Resource, key: ObjectKey, options: DeleteOptions): void {
    const { object } = this.writer.stored(resource, key);
    const metadata = objectAt(object, "metadata");
    for (const name of ["uid", "resourceVersion"] as const) {
      if (options[name] !== undefined && options[name] !== textAt(metadata, name)) {
        throw conflict(resource, key, `the ${name} in the precondition is not the object's`);
      }
    }
    const foreground = options.propagationPolicy === "Foreground" && this.#garbage !== undefined;
    this.writer.delete(resource, key, foreground);
    if (foreground) this.#garbage?.foreground(resource, object);
  }

  answerTo(method: string, path: string, body: unknown): unknown {
    for (const handler of this.requestHandlers) {
      const answer = handler(method, path, body);
      if (answer !== undefined) return answer;
    }
    if (method === "GET" && ["/readyz", "/livez", "/healthz"].includes(path)) return "ok";
    throw refused(404, "NotFound", `the fake knows no ${path}`);
  }
}

/** By namespace, labels, and the two fields that every kind can be selected by. */
function selection(options: ListOptions): (object: JsonObject) => boolean {
  const matches = labelMatcher(options.labelSelector ?? "");
  const fields = (options.fieldSelector ?? "").split(",").filter((part) => part !== "");
  const wanted = fields.map((part) => {
    const [, field, operator, value] = /^metadata\.(name|namespace)(==?|!=)(.*)$/.exec(part) ?? [];
    if (field === undefined) throw refused(400, "BadRequest", `field label not supported: ${part}`);
    return { field, equal: operator !== "!=", value };
  });
  return (object) => {
    const { namespace, name } = keyOfJson(object);
    if (options.namespace !== undefined && options.namespace !== namespace) return false;
    const labels = Object.entries(objectAt(objectAt(object, "metadata"), "labels")).map(([key, value]) => [
      key,
      String(value),
    ]);
    if (!matches(Object.fromEntries(labels))) return false;
    return wanted.every(({ field, equal, value }) => ((field === "name" ? name : namespace) === value) === equal);
  };
}
