/**
 * Small changes of metadata that never undo what somebody else did meanwhile.
 *
 * Each reads what it needs from the object it is given (usually from a cache), writes on the condition that this is still so, and starts over from
 * the server's state when it is not. Only five such collisions in a row make it fail, with Conflict.
 */
import { backoffDelayMs, type Clock, type Entropy, sleep, systemClock, systemEntropy } from "@liquidmetal/foundation";
import { isConflict, isInvalid, isNotFound } from "../client/api-error.ts";
import type { JsonPatch, KubernetesClient } from "../client/client.ts";
import { type KubernetesObject, keyOf, type OwnerReference, type Resource } from "../object.ts";
import { equal } from "./owned-fields.ts";

export interface PatchOptions {
  readonly fieldManager?: string;
  readonly signal?: AbortSignal;
  readonly clock?: Clock;
  readonly entropy?: Entropy;
}

/** RFC 7386: null removes. */
export type MergePatch = Readonly<Record<string, unknown>>;

const attemptsMax = 5;

/**
 * Merge-patches what `change` wants of the object; undefined = all is well already. The patch carries the version that `change` saw, so that whole lists
 * may be replaced in it; on a conflict `change` is asked again with the newest object. Returns the object as it is afterwards, undefined when it is gone.
 */
export async function patchObject<T extends KubernetesObject>(
  client: KubernetesClient,
  kind: Resource<T>,
  object: T,
  change: (object: T) => MergePatch | undefined,
  options: PatchOptions = {},
): Promise<T | undefined> {
  return retrying(client, kind, object, options, async (current) => {
    const patch = change(current);
    if (patch === undefined) return current;
    const { uid, resourceVersion } = current.metadata ?? {};
    const metadata = { ...(patch["metadata"] as object | undefined), uid, resourceVersion };
    return client.mergePatch(kind, keyOf(current), { ...patch, metadata }, writeOptions(options));
  });
}

/**
 * Puts `finalizer` behind those that are there. Does nothing on an object that is being deleted: the server would refuse it.
 *
 * By server-side apply under a manager named after the finalizer, so that it collides with nobody, however often others write.
 */
export function addFinalizer<T extends KubernetesObject>(
  client: KubernetesClient,
  kind: Resource<T>,
  object: T,
  finalizer: string,
  options: PatchOptions = {},
): Promise<T | undefined> {
  return retrying(client, kind, object, options, async (current) => {
    const { finalizers = [], deletionTimestamp, uid } = current.metadata ?? {};
    if (finalizers.includes(finalizer) || deletionTimestamp !== undefined) return current;
    const metadata = { finalizers: [finalizer], ...(uid === undefined ? {} : { uid }) };
    const fieldManager = finalizer.slice(0, 128);
    return client.apply(kind, keyOf(current), { metadata }, { ...writeOptions(options), fieldManager });
  });
}

/** Takes `finalizer` away, and no other: by its place in the list, tested to be still there. Undefined = the object is gone (which is well). */
export function removeFinalizer<T extends KubernetesObject>(
  client: KubernetesClient,
  kind: Resource<T>,
  object: T,
  finalizer: string,
  options: PatchOptions = {},
): Promise<T | undefined> {
  return retrying(client, kind, object, options, async (current) => {
    const { finalizers = [], uid } = current.metadata ?? {};
    const index = finalizers.indexOf(finalizer);
    if (index < 0) return current;
    const patch: JsonPatch = [
      ...(uid === undefined ? [] : [{ op: "test", path: "/metadata/uid", value: uid } as const]),
      { op: "test", path: `/metadata/finalizers/${index}`, value: finalizer },
      finalizers.length === 1
        ? { op: "remove", path: "/metadata/finalizers" }
        : { op: "remove", path: `/metadata/finalizers/${index}` },
      // With the last one the whole list goes, so nobody may have added another meanwhile.
    ];
    const whole =
      finalizers.length === 1 ? [{ op: "test", path: "/metadata/finalizers", value: finalizers } as const] : [];
    return client.jsonPatch(kind, keyOf(current), [...whole, ...patch], writeOptions(options));
  });
}

/** Sets annotations (undefined removes one), leaving all others alone; whatever else changed meanwhile is no obstacle. */
export function setAnnotations<T extends KubernetesObject>(
  client: KubernetesClient,
  kind: Resource<T>,
  object: T,
  annotations: Readonly<Record<string, string | undefined>>,
  options: PatchOptions = {},
): Promise<T | undefined> {
  return retrying(client, kind, object, options, async (current) => {
    const { annotations: known, uid } = current.metadata ?? {};
    const different = Object.entries(annotations).filter(([name, value]) => known?.[name] !== value);
    if (different.length === 0) return current;
    const changed = Object.fromEntries(different.map(([name, value]) => [name, value ?? null]));
    return client.mergePatch(kind, keyOf(current), { metadata: { annotations: changed, uid } }, writeOptions(options));
  });
}

/** Makes `owner` an owner: in place of a reference to the same object in another version, beside all others. */
export function setOwnerReference<T extends KubernetesObject>(
  client: KubernetesClient,
  kind: Resource<T>,
  object: T,
  owner: OwnerReference,
  options: PatchOptions = {},
): Promise<T | undefined> {
  return patchObject(
    client,
    kind,
    object,
    ({ metadata }) => {
      const references = metadata?.ownerReferences ?? [];
      const at = references.findIndex((reference) => sameOwner(reference, owner));
      if (at >= 0 && equal(references[at], owner)) return undefined;
      const ownerReferences = at < 0 ? [...references, owner] : references.with(at, owner);
      return { metadata: { ownerReferences } };
    },
    options,
  );
}

function sameOwner(a: OwnerReference, b: OwnerReference): boolean {
  const group = ({ apiVersion }: OwnerReference): string => apiVersion.split("/").toReversed()[1] ?? "";
  return group(a) === group(b) && a.kind === b.kind && a.name === b.name;
}

function writeOptions({ fieldManager, signal }: PatchOptions): { fieldManager?: string; signal?: AbortSignal } {
  return { ...(fieldManager === undefined ? {} : { fieldManager }), ...(signal === undefined ? {} : { signal }) };
}

/** Runs `write` on the object given, then on the newest one as long as it collides. Another object of the same name ends it: ours is gone. */
async function retrying<T extends KubernetesObject>(
  client: KubernetesClient,
  kind: Resource<T>,
  object: T,
  options: PatchOptions,
  write: (current: T) => Promise<T>,
): Promise<T | undefined> {
  const { clock = systemClock, entropy = systemEntropy, signal } = options;
  let current: T | undefined = object;
  for (let attempt = 1; ; attempt++) {
    try {
      return await write(current);
    } catch (error) {
      if (isNotFound(error)) return undefined;
      // A failed "test" of a JSON patch is answered with 422 Invalid, not with 409.
      if (!(isConflict(error) || isInvalid(error)) || attempt >= attemptsMax) throw error;
      const fresh: T | undefined = await client.find(kind, keyOf(object), signal === undefined ? {} : { signal });
      if (fresh === undefined || fresh.metadata?.uid !== object.metadata?.uid) return undefined;
      if (isInvalid(error) && fresh.metadata?.resourceVersion === current.metadata?.resourceVersion) throw error;
      current = fresh;
      await sleep(clock, backoffDelayMs(attempt, entropy.fraction(), { baseMs: 20, capMs: 500 }), signal);
    }
  }
}
