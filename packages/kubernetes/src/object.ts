/**
 * The shape that every Kubernetes object has, and how a kind is named.
 *
 * Source: Kubernetes API conventions (metadata, list kinds, metav1.Condition).
 */
export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly controller?: boolean;
  readonly blockOwnerDeletion?: boolean;
}

export interface ObjectMeta {
  readonly name?: string;
  readonly generateName?: string;
  readonly namespace?: string;
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly generation?: number;
  /** RFC 3339. */
  readonly creationTimestamp?: string;
  /** RFC 3339; set = the object is being deleted and waits for its finalizers. */
  readonly deletionTimestamp?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly finalizers?: readonly string[];
  readonly ownerReferences?: readonly OwnerReference[];
  readonly managedFields?: readonly unknown[];
}

/** Any object as the API server sends it. */
export interface KubernetesObject {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata?: ObjectMeta;
}

/** Namespace ("" for cluster-scoped kinds) and name: what a work queue and a cache know an object by. */
export interface ObjectKey {
  readonly namespace: string;
  readonly name: string;
}

/** metav1.Condition. */
export interface Condition {
  readonly type: string;
  readonly status: "True" | "False" | "Unknown";
  /** CamelCase, never empty. */
  readonly reason: string;
  readonly message: string;
  /** RFC 3339, whole seconds; changes only with `status`. */
  readonly lastTransitionTime: string;
  readonly observedGeneration?: number;
}

/** A kind in one version, with the type of its objects. Made by `resource<T>()`. */
export interface Resource<T extends KubernetesObject = KubernetesObject> {
  /** "" is the core group. */
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly plural: string;
  readonly namespaced: boolean;
  /** Carries the type only; never there at run time. */
  readonly object?: T;
}

export function resource<T extends KubernetesObject>(names: Omit<Resource<T>, "object">): Resource<T> {
  return names;
}

export function apiVersionOf(kind: Pick<Resource, "group" | "version">): string {
  return kind.group === "" ? kind.version : `${kind.group}/${kind.version}`;
}

/** The key that caches and queues know `object` by. */
export function keyOf(object: KubernetesObject): ObjectKey {
  return { namespace: object.metadata?.namespace ?? "", name: object.metadata?.name ?? "" };
}

/** "namespace/name", or "name" for cluster-scoped objects: fit for logs and as the key of a map. */
export function keyText(key: ObjectKey): string {
  return key.namespace === "" ? key.name : `${key.namespace}/${key.name}`;
}
