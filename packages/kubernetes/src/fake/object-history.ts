/**
 * The storage of the fake API server: objects by kind and key, one version counter over all, and every change in order, for watches.
 *
 * Invariant: the version of a stored object is the version of the last change of it in the history.
 */
import { Broadcast } from "@liquidmetal/foundation";
import { keyText, type ObjectKey, type Resource } from "../object.ts";
import type { FieldManager } from "./field-ownership.ts";
import type { JsonObject } from "./json.ts";

export interface StoredObject {
  readonly object: JsonObject;
  readonly managers: readonly FieldManager[];
}

export interface HistoryEntry {
  readonly version: number;
  readonly kind: string;
  readonly namespace: string;
  readonly object: JsonObject;
  /** Absent when the object was created. */
  readonly previous?: JsonObject;
  readonly deleted: boolean;
}

/** How a kind is known inside: all versions of a kind are one. */
export function storageKind(resource: Pick<Resource, "group" | "plural">): string {
  return `${resource.plural}.${resource.group}`;
}

export class ObjectHistory {
  readonly #objects: Map<string, Map<string, StoredObject>> = new Map();
  readonly #changed: Broadcast<undefined> = new Broadcast();
  #entries: HistoryEntry[] = [];
  // Real ones do not begin at one either.
  #version = 100;
  #compactedTo = 0;

  /** Version of the newest change. */
  get version(): number {
    return this.#version;
  }

  /** Changes up to this version are forgotten. */
  get compactedTo(): number {
    return this.#compactedTo;
  }

  get(kind: string, key: ObjectKey): StoredObject | undefined {
    return this.#objects.get(kind)?.get(keyText(key));
  }

  /** Objects of a kind, by namespace and name. */
  list(kind: string): readonly StoredObject[] {
    const objects = [...(this.#objects.get(kind) ?? [])];
    return objects.sort(([a], [b]) => (a < b ? -1 : 1)).map(([, object]) => object);
  }

  kinds(): readonly string[] {
    return [...this.#objects.keys()];
  }

  nextVersion(): number {
    this.#version += 1;
    return this.#version;
  }

  /** Stores `next` (made with `nextVersion`) and tells the watches. */
  put(kind: string, key: ObjectKey, next: StoredObject): void {
    const objects = this.#objects.get(kind) ?? new Map<string, StoredObject>();
    const previous = objects.get(keyText(key))?.object;
    this.#objects.set(kind, objects.set(keyText(key), next));
    this.#record({ kind, key, object: next.object, previous, deleted: false });
  }

  /** Removes the object; `last` (made with `nextVersion`) is what watches see of it. */
  remove(kind: string, key: ObjectKey, last: JsonObject): void {
    const previous = this.get(kind, key)?.object;
    this.#objects.get(kind)?.delete(keyText(key));
    this.#record({ kind, key, object: last, previous, deleted: true });
  }

  /** Changes after `version`, oldest first. */
  since(version: number): readonly HistoryEntry[] {
    const entries = this.#entries;
    let low = 0;
    let high = entries.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((entries[middle]?.version ?? 0) <= version) low = middle + 1;
      else high = middle;
    }
    return entries.slice(low);
  }

  compact(): void {
    this.#entries = [];
    this.#compactedTo = this.#version;
  }

  onChange(listener: () => void): Disposable {
    return this.#changed.listen(listener);
  }

  #record(change: {
    readonly kind: string;
    readonly key: ObjectKey;
    readonly object: JsonObject;
    readonly previous: JsonObject | undefined;
    readonly deleted: boolean;
  }): void {
    const { kind, key, object, previous, deleted } = change;
    const entry = { version: this.#version, kind, namespace: key.namespace, object, deleted };
    this.#entries.push(previous === undefined ? entry : { ...entry, previous });
    this.#changed.publish(undefined);
  }
}
