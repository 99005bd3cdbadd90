/** The rules of the fake API server that need no storage: what a write may reach, what it leaves alone, who owns what afterwards. */
import { isDeepStrictEqual } from "node:util";
import type { Clock, Entropy } from "@liquidmetal/foundation";
import { ApiError } from "../client/api-error.ts";
import { keyText, type ObjectKey, type Resource } from "../object.ts";
import {
  changedFields,
  difference,
  type FieldManager,
  fieldsOf,
  intersection,
  type ListKeys,
  valueAt,
} from "./field-ownership.ts";
import { isJsonObject, type JsonObject, objectAt, textAt } from "./json.ts";
import type { StoredObject } from "./object-history.ts";

export interface Writer {
  readonly fieldManager: string;
  readonly subresource: string;
  readonly dryRun: boolean;
}

/** `wanted` without what a write through this subresource cannot change: only `status`, or everything but `status`. */
export function reachable(live: JsonObject, wanted: JsonObject, subresource: string): JsonObject {
  if (subresource === "status") {
    return { ...without(live, "status"), ...("status" in wanted ? { status: wanted["status"] ?? {} } : {}) };
  }
  const metadata = { ...withoutEmpty(objectAt(wanted, "metadata")), ...systemFields(objectAt(live, "metadata")) };
  const { managedFields: _, ...kept } = metadata;
  return {
    ...without(wanted, "status"),
    metadata: kept,
    ...("status" in live ? { status: live["status"] ?? {} } : {}),
  };
}

/** An applied configuration without what its subresource does not let through. */
export function reachableConfiguration(configuration: JsonObject, subresource: string): JsonObject {
  if (subresource === "") return without(configuration, "status");
  const { name, namespace, uid, resourceVersion } = objectAt(configuration, "metadata");
  const metadata = Object.fromEntries(
    Object.entries({ name, namespace, uid, resourceVersion }).flatMap(([key, value]) =>
      value === undefined ? [] : [[key, value]],
    ),
  );
  return { metadata, ...("status" in configuration ? { status: configuration["status"] ?? {} } : {}) };
}

/** Everything that counts for `metadata.generation`. */
export function sameDesiredState(a: JsonObject, b: JsonObject): boolean {
  const desired = (object: JsonObject): JsonObject => without(without(object, "metadata"), "status");
  return isDeepStrictEqual(desired(a), desired(b));
}

/** Who owns the fields after an update by `writer`: what it changed is its own, the rest stays with whom it was. */
export function ownersAfterUpdate(
  stored: StoredObject,
  next: JsonObject,
  writer: Writer,
  listKeys: ListKeys,
): readonly FieldManager[] {
  const present = fieldsOf(next, listKeys);
  const changed = changedFields(stored.object, next, present, listKeys);
  const isOwn = (manager: FieldManager): boolean =>
    manager.name === writer.fieldManager &&
    manager.operation === "Update" &&
    manager.subresource === writer.subresource;
  const own = stored.managers.find(isOwn)?.fields ?? new Set<string>();
  const others = stored.managers
    .filter((manager) => !isOwn(manager))
    .map((manager) => ({ ...manager, fields: difference(intersection(manager.fields, present), changed) }));
  const fields = new Set([...intersection(own, present), ...changed]);
  const mine: FieldManager = {
    name: writer.fieldManager,
    operation: "Update",
    subresource: writer.subresource,
    fields,
  };
  return [...others, mine].filter((manager) => manager.fields.size > 0);
}

/** Throws Conflict when one of `others` owns a field among `taken`. */
export function refuseTaken(
  resource: Resource,
  key: ObjectKey,
  others: readonly FieldManager[],
  taken: ReadonlySet<string>,
): void {
  const causes = others.flatMap(({ name, operation, fields }) =>
    [...intersection(fields, taken)].map((path) => ({
      reason: "FieldManagerConflict",
      message: `conflict with "${name}"${operation === "Apply" ? "" : " using an update"}`,
      field: dotted(path),
    })),
  );
  if (causes.length === 0) return;
  const fields = causes.map(({ message, field }) => `${message}: ${field}`).join(", ");
  throw new ApiError(`${named(resource, key)}: Apply failed with ${causes.length} conflicts: ${fields}`, {
    httpStatus: 409,
    reason: "Conflict",
    causes,
  });
}

/**
 * Throws Invalid when `configuration` states an empty map of which the last field has just gone: the real server makes a null of it, and then finds
 * that a null is no map. Not so with metadata.
 */
export function refuseEmptied(
  resource: Resource,
  key: ObjectKey,
  configuration: JsonObject,
  wanted: JsonObject,
  stated: ReadonlySet<string>,
  listKeys: ListKeys,
): void {
  for (const path of stated) {
    if (path.startsWith('["f:metadata"') || !isJsonObject(valueAt(configuration, path, listKeys))) continue;
    if (valueAt(wanted, path, listKeys) !== undefined) continue;
    const field = dotted(path).slice(1);
    throw refused(
      422,
      "Invalid",
      `${named(resource, key)} is invalid: ${field}: Invalid value: "null": must be of type object`,
    );
  }
}

export function refused(httpStatus: number, reason: string, message: string): ApiError {
  return new ApiError(message, { httpStatus, reason });
}

export function conflict(resource: Resource, key: ObjectKey, why: string): ApiError {
  return refused(409, "Conflict", `operation cannot be fulfilled on ${named(resource, key)}: ${why}`);
}

/** As the server writes it: `microvmmachines.infrastructure.cluster.x-k8s.io "a"`. */
export function named(resource: Resource, key: ObjectKey): string {
  return `${resource.plural}${resource.group === "" ? "" : `.${resource.group}`} "${keyText(key)}"`;
}

/** Built-in kinds without a desired state have no generation. */
export function hasGeneration(resource: Resource): boolean {
  return !["", "coordination.k8s.io", "events.k8s.io", "rbac.authorization.k8s.io"].includes(resource.group);
}

export function keyOfJson(object: JsonObject): ObjectKey {
  const metadata = objectAt(object, "metadata");
  return { namespace: textAt(metadata, "namespace"), name: textAt(metadata, "name") };
}

export function withVersion(object: JsonObject, version: number): JsonObject {
  return { ...object, metadata: { ...objectAt(object, "metadata"), resourceVersion: String(version) } };
}

export function randomUid(entropy: Entropy): string {
  const hex = Buffer.from(entropy.bytes(16)).toString("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20)}`;
}

/** RFC 3339 without fractions, as metav1.Time. */
export function timestamp(clock: Clock): string {
  return `${new Date(clock.nowMs()).toISOString().slice(0, 19)}Z`;
}

const system: readonly string[] = [
  "name",
  "namespace",
  "generateName",
  "uid",
  "resourceVersion",
  "generation",
  "creationTimestamp",
  "deletionTimestamp",
  "deletionGracePeriodSeconds",
];

function systemFields(metadata: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(metadata).filter(([name]) => system.includes(name)));
}

/** The server never stores empty maps and lists of metadata. */
function withoutEmpty(metadata: JsonObject): JsonObject {
  const isEmpty = (value: unknown): boolean =>
    Array.isArray(value) ? value.length === 0 : isJsonObject(value) && Object.keys(value).length === 0;
  return Object.fromEntries(
    Object.entries(metadata).filter(([name, value]) => !system.includes(name) && value !== null && !isEmpty(value)),
  );
}

function without(object: JsonObject, name: string): JsonObject {
  const { [name]: _, ...rest } = object;
  return rest;
}

function dotted(path: string): string {
  const steps: unknown = JSON.parse(path);
  const parts = Array.isArray(steps) ? steps.map(String) : [];
  return parts.map((step) => (step.startsWith("f:") ? `.${step.slice(2)}` : `[${step.slice(2)}]`)).join("");
}
