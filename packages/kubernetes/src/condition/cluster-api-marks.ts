/**
 * What Cluster API says with labels and annotations: paused, managed elsewhere, meant for another instance of the controller.
 *
 * Source: Cluster API contract (InfraCluster, InfraMachine), "Pausing", "Externally managed infrastructure", `--watch-filter`.
 */
import type { KubernetesObject } from "../object.ts";
import type { ConditionWanted } from "./condition.ts";

export const pausedAnnotation = "cluster.x-k8s.io/paused";
export const managedByAnnotation = "cluster.x-k8s.io/managed-by";
export const watchFilterLabel = "cluster.x-k8s.io/watch-filter";
export const clusterNameLabel = "cluster.x-k8s.io/cluster-name";

/** The part of a Cluster that says whether it is paused. */
export interface PausableCluster extends KubernetesObject {
  readonly spec?: { readonly paused?: boolean } | undefined;
}

/** True when the cluster is paused or the object carries the annotation, with any value. */
export function isPaused(cluster: PausableCluster | undefined, object: KubernetesObject): boolean {
  return cluster?.spec?.paused === true || object.metadata?.annotations?.[pausedAnnotation] !== undefined;
}

/** The Paused condition that the contract asks for, with what pauses the object in its message. */
export function pausedCondition(cluster: PausableCluster | undefined, object: KubernetesObject): ConditionWanted {
  const generation = object.metadata?.generation;
  const observed = generation === undefined ? {} : { observedGeneration: generation };
  if (!isPaused(cluster, object))
    return { type: "Paused", status: "False", reason: "NotPaused", message: "", ...observed };
  const why = [
    ...(cluster?.spec?.paused === true ? ["Cluster spec.paused is set to true"] : []),
    ...(object.metadata?.annotations?.[pausedAnnotation] === undefined
      ? []
      : [`${object.kind ?? "the object"} has the ${pausedAnnotation} annotation`]),
  ];
  return { type: "Paused", status: "True", reason: "Paused", message: why.join(", "), ...observed };
}

/** Another system looks after the object: its controller leaves it alone. */
export function isExternallyManaged(object: KubernetesObject): boolean {
  return object.metadata?.annotations?.[managedByAnnotation] !== undefined;
}

/** A predicate for `ControllerOptions.accepts`: without a filter ("") everything passes, with one only objects whose label equals it. */
export function watchFilter(filter: string): (object: KubernetesObject) => boolean {
  return filter === "" ? () => true : (object) => object.metadata?.labels?.[watchFilterLabel] === filter;
}
