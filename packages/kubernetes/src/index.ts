/** The controller runtime: client, caches, controllers, leader election, webhooks, CRDs. */
export type { CacheChange, ObjectCache } from "./cache/cache.ts";
export type * from "./client/client.ts";
export type {
  ControllerOptions,
  Reconcile,
  ReconcileContext,
  ReconcileResult,
  Trigger,
} from "./controller/controller.ts";
export {
  apiVersionOf,
  type Condition,
  type KubernetesObject,
  type ObjectKey,
  type ObjectMeta,
  type OwnerReference,
  type Resource,
  resource,
} from "./object.ts";
