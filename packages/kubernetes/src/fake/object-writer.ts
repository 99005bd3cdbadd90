/**
 * How the fake API server writes objects: what it fills in, what it refuses, what deleting means. Every write is one synchronous step.
 *
 * Source: k8s.io/apiserver/pkg/registry/rest (create.go, update.go, delete.go) and the strategies of custom resources.
 */
import { isDeepStrictEqual } from "node:util";
import type { Clock, Entropy } from "@liquidmetal/foundation";
import { apiVersionOf, type ObjectKey, type Resource } from "../object.ts";
import {
  changedFields,
  difference,
  type FieldManager,
  fieldsOf,
  fieldsV1,
  holds,
  type ListKeys,
  mergeStated,
  withoutFields,
} from "./field-ownership.ts";
import { isJsonObject, type JsonObject, objectAt, textAt, textsAt } from "./json.ts";
import { type ObjectHistory, type StoredObject, storageKind } from "./object-history.ts";
import {
  conflict,
  hasGeneration,
  keyOfJson,
  named,
  ownersAfterUpdate,
  randomUid,
  reachable,
  reachableConfiguration,
  refused,
  refuseEmptied,
  refuseTaken,
  sameDesiredState,
  timestamp,
  type Writer,
  withVersion,
} from "./object-rules.ts";

export interface AdmissionRequest {
  readonly resource: Resource;
  /** What would be stored. */
  readonly object: JsonObject;
  /** Absent on create. */
  readonly previous?: JsonObject;
  readonly subresource: string;
}

/** Gives back what shall be stored (defaults), or refuses it by throwing an ApiError. */
export type Admission = (request: AdmissionRequest) => JsonObject;

export interface ObjectWriterOptions {
  readonly history: ObjectHistory;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly listKeys: ListKeys;
  readonly admit: Admission;
  /** Called when an object is gone for good. */
  readonly onRemoved: (object: JsonObject) => void;
}

export class ObjectWriter {
  readonly #options: ObjectWriterOptions;

  constructor(options: ObjectWriterOptions) {
    this.#options = options;
  }

  create(resource: Resource, sent: JsonObject, writer: Writer): JsonObject {
    const metadata = objectAt(sent, "metadata");
    if (textAt(metadata, "resourceVersion") !== "") {
      throw refused(500, "InternalError", "resourceVersion should not be set on objects to be created");
    }
    const prefix = textAt(metadata, "generateName");
    const suffix = Buffer.from(this.#options.entropy.bytes(4)).toString("hex").slice(0, 5);
    const name = textAt(metadata, "name") || (prefix === "" ? "" : `${prefix}${suffix}`);
    if (name === "") throw refused(422, "Invalid", "metadata.name: Required value: name or generateName is required");
    const { status: _, ...stated } = sent;
    return this.store(resource, { ...stated, metadata: { ...metadata, name } }, writer);
  }

  /** Creates the object just as it is, with its status. */
  store(
    resource: Resource,
    sent: JsonObject,
    writer: Writer,
    operation: FieldManager["operation"] = "Update",
  ): JsonObject {
    const { history, clock, admit, listKeys, entropy } = this.#options;
    const key = keyOfJson(sent);
    if (resource.namespaced && key.namespace === "") {
      throw refused(400, "BadRequest", `${named(resource, key)} needs a namespace`);
    }
    if (history.get(storageKind(resource), key) !== undefined) {
      throw refused(409, "AlreadyExists", `${named(resource, key)} already exists`);
    }
    const {
      deletionTimestamp: _,
      deletionGracePeriodSeconds: __,
      managedFields: ___,
      ...metadata
    } = objectAt(sent, "metadata");
    const made = {
      ...sent,
      ...typed(resource),
      metadata: {
        ...metadata,
        uid: randomUid(entropy),
        creationTimestamp: timestamp(clock),
        ...(hasGeneration(resource) ? { generation: 1 } : {}),
      },
    };
    const object = admit({ resource, object: made, subresource: "" });
    const managers = [{ name: writer.fieldManager, operation, subresource: "", fields: fieldsOf(object, listKeys) }];
    return this.#commit(resource, key, { object, managers }, writer);
  }

  /** `change` makes the wanted object out of the stored one. */
  update(resource: Resource, key: ObjectKey, writer: Writer, change: (live: JsonObject) => JsonObject): JsonObject {
    const stored = this.stored(resource, key);
    const object = this.#accepted(resource, key, stored.object, change(stored.object), writer);
    if (isDeepStrictEqual(object, stored.object)) return answerOf(stored);
    const managers = ownersAfterUpdate(stored, object, writer, this.#options.listKeys);
    return this.#commit(resource, key, { object, managers }, writer);
  }

  apply(resource: Resource, key: ObjectKey, sent: JsonObject, writer: Writer, force: boolean): JsonObject {
    const { history } = this.#options;
    const stored = history.get(storageKind(resource), key);
    const namespace = key.namespace === "" ? {} : { namespace: key.namespace };
    const metadata = { ...objectAt(sent, "metadata"), name: key.name, ...namespace };
    if ("managedFields" in metadata) throw refused(400, "BadRequest", "metadata.managedFields must be nil");
    const configuration = reachableConfiguration({ ...sent, metadata }, writer.subresource);
    if (stored === undefined) {
      if (writer.subresource !== "") throw refused(404, "NotFound", `${named(resource, key)} not found`);
      if ("uid" in metadata || "resourceVersion" in metadata) throw conflict(resource, key, "it does not exist");
      return this.store(resource, configuration, writer, "Apply");
    }
    const { next, managers } = this.#merged(resource, key, stored, configuration, writer, force);
    const object = this.#accepted(resource, key, stored.object, next, writer);
    const unchanged = isDeepStrictEqual(object, stored.object) && sameOwners(managers, stored.managers);
    return unchanged ? answerOf(stored) : this.#commit(resource, key, { object, managers }, writer);
  }

  /** Foreground: waits for its dependents with a finalizer of its own. */
  delete(resource: Resource, key: ObjectKey, foreground: boolean): void {
    const { history, clock } = this.#options;
    const stored = this.stored(resource, key);
    const metadata = objectAt(stored.object, "metadata");
    const finalizers = new Set([...textsAt(metadata, "finalizers"), ...(foreground ? ["foregroundDeletion"] : [])]);
    if (finalizers.size === 0) {
      this.#remove(resource, key, withVersion(stored.object, history.nextVersion()));
      return;
    }
    if (textAt(metadata, "deletionTimestamp") !== "") return;
    const generation = metadata["generation"];
    const marked = {
      ...metadata,
      finalizers: [...finalizers],
      deletionTimestamp: timestamp(clock),
      deletionGracePeriodSeconds: 0,
      ...(typeof generation === "number" ? { generation: generation + 1 } : {}),
    };
    const object = withVersion({ ...stored.object, metadata: marked }, history.nextVersion());
    history.put(storageKind(resource), key, { ...stored, object });
  }

  /** Throws NotFound. */
  stored(resource: Resource, key: ObjectKey): StoredObject {
    const stored = this.#options.history.get(storageKind(resource), key);
    if (stored === undefined) throw refused(404, "NotFound", `${named(resource, key)} not found`);
    return stored;
  }

  #merged(
    resource: Resource,
    key: ObjectKey,
    stored: StoredObject,
    configuration: JsonObject,
    writer: Writer,
    force: boolean,
  ): { readonly next: JsonObject; readonly managers: readonly FieldManager[] } {
    const { listKeys } = this.#options;
    const { fieldManager: name, subresource } = writer;
    const isOwn = (manager: FieldManager): boolean =>
      manager.name === name && manager.operation === "Apply" && manager.subresource === subresource;
    const others = stored.managers.filter((manager) => !isOwn(manager));
    const stated = fieldsOf(configuration, listKeys);
    const merged = mergeStated(stored.object, configuration, listKeys);
    const next = isJsonObject(merged) ? merged : {};
    const taken = changedFields(stored.object, next, stated, listKeys);
    if (!force) refuseTaken(resource, key, others, taken);
    const left = others.map((manager) => ({ ...manager, fields: difference(manager.fields, taken) }));
    const before = stored.managers.find(isOwn)?.fields ?? new Set<string>();
    const kept = [stated, ...left.map(({ fields }) => fields)];
    const dropped = [...before].filter((path) => !kept.some((fields) => holds(fields, path)));
    const own: FieldManager = { name, operation: "Apply", subresource, fields: stated };
    const managers = [...left, own].filter(({ fields }) => fields.size > 0);
    const wanted = withoutFields(next, dropped, listKeys);
    refuseEmptied(resource, key, configuration, wanted, stated, listKeys);
    return { next: wanted, managers };
  }

  #accepted(resource: Resource, key: ObjectKey, live: JsonObject, wanted: JsonObject, writer: Writer): JsonObject {
    const before = objectAt(live, "metadata");
    for (const name of ["uid", "resourceVersion"] as const) {
      const asked = textAt(objectAt(wanted, "metadata"), name);
      if (asked !== "" && asked !== textAt(before, name)) {
        throw conflict(resource, key, "the object has been modified; please apply your changes to the latest version");
      }
    }
    const merged = { ...reachable(live, wanted, writer.subresource), ...typed(resource) };
    const had = textsAt(before, "finalizers");
    const added = textsAt(objectAt(merged, "metadata"), "finalizers").filter((finalizer) => !had.includes(finalizer));
    if (textAt(before, "deletionTimestamp") !== "" && added.length > 0) {
      const rule = "no new finalizers can be added if the object is being deleted";
      throw refused(422, "Invalid", `${named(resource, key)} is invalid: metadata.finalizers: Forbidden: ${rule}`);
    }
    const object = this.#options.admit({ resource, object: merged, previous: live, subresource: writer.subresource });
    const metadata = objectAt(object, "metadata");
    const generation = metadata["generation"];
    if (typeof generation !== "number" || sameDesiredState(object, live)) return object;
    return { ...object, metadata: { ...metadata, generation: generation + 1 } };
  }

  #commit(resource: Resource, key: ObjectKey, next: StoredObject, writer: Writer): JsonObject {
    const { history } = this.#options;
    if (writer.dryRun) return answerOf(next);
    const stored = { ...next, object: withVersion(next.object, history.nextVersion()) };
    const metadata = objectAt(next.object, "metadata");
    const isOver = textAt(metadata, "deletionTimestamp") !== "" && textsAt(metadata, "finalizers").length === 0;
    if (isOver) this.#remove(resource, key, stored.object);
    else history.put(storageKind(resource), key, stored);
    return answerOf(stored);
  }

  #remove(resource: Resource, key: ObjectKey, last: JsonObject): void {
    this.#options.history.remove(storageKind(resource), key, last);
    this.#options.onRemoved(last);
  }
}

/** The object as clients see it. */
export function answerOf(stored: StoredObject): JsonObject {
  const managedFields = stored.managers.map(({ name, operation, subresource, fields }) => ({
    manager: name,
    operation,
    apiVersion: textAt(stored.object, "apiVersion"),
    fieldsType: "FieldsV1",
    fieldsV1: fieldsV1(fields),
    ...(subresource === "" ? {} : { subresource }),
  }));
  return { ...stored.object, metadata: { ...objectAt(stored.object, "metadata"), managedFields } };
}

function typed(resource: Resource): { readonly apiVersion: string; readonly kind: string } {
  return { apiVersion: apiVersionOf(resource), kind: resource.kind };
}

/** Regardless of the order. */
function sameOwners(a: readonly FieldManager[], b: readonly FieldManager[]): boolean {
  return a.length === b.length && a.every((manager) => b.some((other) => isDeepStrictEqual(manager, other)));
}
