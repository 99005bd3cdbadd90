/** The controller runtime: client, caches, controllers, leader election, webhooks, CRDs. */
export type { CacheChange, CacheObserver, ObjectCache, RunnableCache } from "./cache/cache.ts";
export type { IndexFunctions } from "./cache/object-store.ts";
export { type CacheOptions, openCache, withoutManagedFields } from "./cache/open-cache.ts";
export {
  ApiError,
  type ApiErrorCause,
  type ApiErrorOptions,
  isAlreadyExists,
  isConflict,
  isExpired,
  isForbidden,
  isInvalid,
  isNotFound,
} from "./client/api-error.ts";
export type * from "./client/client.ts";
export type { ClientObserver } from "./client/client-observer.ts";
export type { ClusterConfiguration, ExecPlugin, Impersonation, Material } from "./client/cluster-configuration.ts";
export { type ConnectClusterOptions, connectCluster } from "./client/connect-cluster.ts";
export { type InClusterOptions, inClusterConfiguration } from "./client/in-cluster.ts";
export { type KubeconfigOptions, loadKubeconfig } from "./client/kubeconfig.ts";
export { type LabelMatcher, type Labels, labelMatcher } from "./client/label-selector.ts";
export {
  clusterNameLabel,
  isExternallyManaged,
  isPaused,
  managedByAnnotation,
  type PausableCluster,
  pausedAnnotation,
  pausedCondition,
  watchFilter,
  watchFilterLabel,
} from "./condition/cluster-api-marks.ts";
export {
  type ConditionWanted,
  findCondition,
  isConditionTrue,
  removeCondition,
  setCondition,
  wholeSeconds,
} from "./condition/condition.ts";
export { type SummaryOptions, summarizeConditions } from "./condition/summary.ts";
export type {
  ControllerOptions,
  Reconcile,
  ReconcileContext,
  ReconcileResult,
  Trigger,
} from "./controller/controller.ts";
export { type RuntimeCache, type RuntimeOptions, runRuntime, type Service } from "./controller/runtime.ts";
export {
  type ControllerPorts,
  type RunningController,
  startController,
} from "./controller/start-controller.ts";
export {
  groupOf,
  handTrigger,
  type KeyMapping,
  ownersOf,
  toIndexed,
  toLabelled,
  toOwners,
  watchObjects,
} from "./controller/triggers.ts";
export {
  type CustomResourceDefinition,
  type CustomResourceDefinitionOptions,
  type CustomResourceVersion,
  customResourceDefinition,
  type PrinterColumn,
  type ScaleSubresource,
  type WebhookAddress,
} from "./crd/custom-resource-definition.ts";
export { manifestYaml } from "./crd/manifest-yaml.ts";
export {
  atomicList,
  atomicMap,
  type CelRule,
  intOrString,
  listMap,
  listSet,
  preserveUnknownFields,
  rules,
} from "./crd/marks.ts";
export { type StructuralSchema, structuralSchema } from "./crd/structural-schema.ts";
export { type CoreEvent, type EventContent, events } from "./events/event.ts";
export { EventRecorder, type EventRecorderOptions } from "./events/event-recorder.ts";
export { type LeaderElectionOptions, leaderIdentity, runAsLeader } from "./leader-election/leader-elector.ts";
export { type Lease, type LeaseSpec, leases } from "./leader-election/lease.ts";
export { type LogFields, type Logger, silentLogger } from "./logger.ts";
export {
  apiVersionOf,
  type Condition,
  type KubernetesObject,
  keyOf,
  keyText,
  type ObjectKey,
  type ObjectMeta,
  type OwnerReference,
  type Resource,
  resource,
} from "./object.ts";
export {
  type HealthCheck,
  type HealthServer,
  type HealthServerOptions,
  startHealthServer,
} from "./server/health-server.ts";
export type { TlsOptions } from "./server/listener.ts";
export { type MetricsServer, type MetricsServerOptions, startMetricsServer } from "./server/metrics-server.ts";
export { RuntimeMetrics } from "./server/runtime-metrics.ts";
export { type CertificateFiles, type ServingCertificate, watchCertificate } from "./server/serving-certificate.ts";
export type {
  AdmissionContext,
  AdmissionOperation,
  AdmissionVerdict,
  Defaulter,
  FieldError,
  Validator,
} from "./webhook/admission.ts";
export type { Converter } from "./webhook/conversion-review.ts";
export {
  converting,
  defaulting,
  startWebhookServer,
  validating,
  type WebhookRoute,
  type WebhookServer,
  type WebhookServerOptions,
} from "./webhook/webhook-server.ts";
export { type ApplyOwnedOptions, applyOwned, applyStatus } from "./write/apply.ts";
export { keepOwnManagedFields } from "./write/owned-fields.ts";
export {
  addFinalizer,
  type MergePatch,
  type PatchOptions,
  patchObject,
  removeFinalizer,
  setAnnotations,
  setOwnerReference,
} from "./write/patch.ts";
