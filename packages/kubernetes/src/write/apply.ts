/**
 * Server-side apply of what a controller owns: written only when it would change something, and never onto another object of the same name.
 *
 * The uid goes with every apply, because applying to what is gone would otherwise make it anew.
 */
import type { KubernetesClient } from "../client/client.ts";
import { type KubernetesObject, keyOf, type Resource } from "../object.ts";
import { isApplied } from "./owned-fields.ts";

export interface ApplyOwnedOptions {
  /** Owner of the fields; one manager may own the object's own part and the status's part apart. */
  readonly fieldManager: string;
  /** Fails with a conflict unless the object is still this version. Default false: fields that a controller owns need no lock. */
  readonly optimistic?: boolean;
  readonly signal?: AbortSignal;
}

/**
 * Applies `status` as all that `fieldManager` owns of the object's status: what it owned before and does not name now is removed.
 * Returns the object as it is afterwards; the very same one when nothing had to be written. Throws NotFound when the object is gone, Conflict when
 * another one has taken its name.
 */
export async function applyStatus<T extends KubernetesObject>(
  client: KubernetesClient,
  kind: Resource<T>,
  object: T,
  status: object,
  options: ApplyOwnedOptions,
): Promise<T> {
  const stated = withoutEmptyMaps(status);
  const wanted = Object.keys(stated).length === 0 ? {} : { status: stated };
  return applyOwned(client, kind, object, wanted, { ...options, subresource: "status" });
}

/** The server makes null of a map that was emptied by an apply, and then refuses it: what is empty is left out. */
function withoutEmptyMaps(map: object): Readonly<Record<string, unknown>> {
  const kept = Object.entries(map)
    .map(([name, value]) => [name, isMap(value) ? withoutEmptyMaps(value) : elementsOf(value)] as const)
    .filter(([, value]) => value !== undefined && !(isMap(value) && Object.keys(value).length === 0));
  return Object.fromEntries(kept);
}

function elementsOf(value: unknown): unknown {
  return Array.isArray(value) ? value.map((element) => (isMap(element) ? withoutEmptyMaps(element) : element)) : value;
}

function isMap(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** As `applyStatus` for the rest: `{ metadata: { finalizers, annotations, labels, ownerReferences }, spec: … }`, everything that the manager owns of it. */
export async function applyOwned<T extends KubernetesObject>(
  client: KubernetesClient,
  kind: Resource<T>,
  object: T,
  wanted: { readonly metadata?: object; readonly [field: string]: unknown },
  options: ApplyOwnedOptions & { readonly subresource?: string },
): Promise<T> {
  const { fieldManager, optimistic = false, signal, subresource = "" } = options;
  if (isApplied(object, wanted, { fieldManager, subresource })) return object;
  const { uid, resourceVersion } = object.metadata ?? {};
  const configuration = {
    ...wanted,
    metadata: {
      ...wanted.metadata,
      ...(uid === undefined ? {} : { uid }),
      ...(optimistic && resourceVersion !== undefined ? { resourceVersion } : {}),
    },
  };
  return client.apply(kind, keyOf(object), configuration, {
    fieldManager,
    ...(subresource === "" ? {} : { subresource }),
    ...(signal === undefined ? {} : { signal }),
  });
}
