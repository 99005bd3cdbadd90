/** What kube-controller-manager's garbage collector does: dependents of what is gone go too; foreground deletion waits for them. */
import type { Resource } from "../object.ts";
import { isJsonObject, type JsonObject, objectAt, textAt, textsAt } from "./json.ts";
import { type ObjectHistory, storageKind } from "./object-history.ts";
import { keyOfJson } from "./object-rules.ts";
import type { ObjectWriter } from "./object-writer.ts";

interface Dependent {
  readonly resource: Resource;
  readonly object: JsonObject;
}

export class Garbage {
  readonly #history: ObjectHistory;
  readonly #resources: ReadonlyMap<string, Resource>;
  readonly #writer: ObjectWriter;

  constructor(history: ObjectHistory, resources: ReadonlyMap<string, Resource>, writer: ObjectWriter) {
    this.#history = history;
    this.#resources = resources;
    this.#writer = writer;
  }

  /** Deletes what `owner`, which is gone, was the last owner of. */
  afterRemoval(owner: JsonObject): void {
    for (const { resource, object } of this.#dependentsOf(owner)) {
      const uids = owners(object).map((reference) => textAt(reference, "uid"));
      if (uids.some((uid) => this.#exists(uid))) continue;
      this.#writer.delete(resource, keyOfJson(object), false);
    }
    this.#finishForeground();
  }

  /** Deletes the dependents of `owner`, which waits for them. */
  foreground(resource: Resource, owner: JsonObject): void {
    for (const dependent of this.#dependentsOf(owner)) {
      this.#writer.delete(dependent.resource, keyOfJson(dependent.object), false);
    }
    if (this.#history.get(storageKind(resource), keyOfJson(owner)) !== undefined) this.#finishForeground();
  }

  #finishForeground(): void {
    for (const { resource, object } of this.#all()) {
      const finalizers = textsAt(objectAt(object, "metadata"), "finalizers");
      if (!finalizers.includes("foregroundDeletion")) continue;
      const blocking = this.#dependentsOf(object).some((dependent) =>
        owners(dependent.object).some(
          (reference) => textAt(reference, "uid") === uidOf(object) && reference["blockOwnerDeletion"] === true,
        ),
      );
      if (blocking) continue;
      const left = finalizers.filter((finalizer) => finalizer !== "foregroundDeletion");
      const by = { fieldManager: "garbage-collector", subresource: "", dryRun: false };
      this.#writer.update(resource, keyOfJson(object), by, (live) => ({
        ...live,
        metadata: { ...objectAt(live, "metadata"), finalizers: left },
      }));
    }
  }

  #dependentsOf(owner: JsonObject): readonly Dependent[] {
    const uid = uidOf(owner);
    return this.#all().filter(({ object }) => owners(object).some((reference) => textAt(reference, "uid") === uid));
  }

  #exists(uid: string): boolean {
    return this.#all().some(({ object }) => uidOf(object) === uid);
  }

  #all(): readonly Dependent[] {
    return [...this.#resources].flatMap(([kind, resource]) =>
      this.#history.list(kind).map(({ object }) => ({ resource, object })),
    );
  }
}

function uidOf(object: JsonObject): string {
  return textAt(objectAt(object, "metadata"), "uid");
}

function owners(object: JsonObject): readonly JsonObject[] {
  const list = objectAt(object, "metadata")["ownerReferences"];
  return Array.isArray(list) ? list.filter(isJsonObject) : [];
}
