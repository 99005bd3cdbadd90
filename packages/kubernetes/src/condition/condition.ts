/**
 * Conditions (metav1.Condition) as values: lists in, lists out, nothing is changed in place.
 *
 * `lastTransitionTime` moves with `status` only and has whole seconds, so that a condition which says the same again is equal to what is stored.
 * Source: Kubernetes API conventions, "Typical status properties"; metav1.Condition.
 */
import type { Condition } from "../object.ts";

/** A condition before it is known when its status began. */
export interface ConditionWanted {
  readonly type: string;
  readonly status: Condition["status"];
  /** CamelCase, never empty, at most 1,024 characters. */
  readonly reason: string;
  /** For people. Default "". Cut at 32,768 bytes' worth of characters, the API's limit. */
  readonly message?: string;
  readonly observedGeneration?: number;
}

const messageLengthMax = 32_768;

/** The list with `wanted` in it, sorted: Ready first, then by name, with Deleting and Paused at the end. `nowMs` is wall time. */
export function setCondition(
  conditions: readonly Condition[] | undefined,
  wanted: ConditionWanted,
  nowMs: number,
): readonly Condition[] {
  const before = findCondition(conditions, wanted.type);
  const after: Condition = {
    type: wanted.type,
    status: wanted.status,
    reason: wanted.reason,
    message: (wanted.message ?? "").slice(0, messageLengthMax),
    lastTransitionTime: before?.status === wanted.status ? before.lastTransitionTime : wholeSeconds(nowMs),
    ...(wanted.observedGeneration === undefined ? {} : { observedGeneration: wanted.observedGeneration }),
  };
  return [...(conditions ?? []).filter(({ type }) => type !== wanted.type), after].toSorted(order);
}

export function removeCondition(conditions: readonly Condition[] | undefined, type: string): readonly Condition[] {
  return (conditions ?? []).filter((condition) => condition.type !== type);
}

export function findCondition(conditions: readonly Condition[] | undefined, type: string): Condition | undefined {
  return conditions?.find((condition) => condition.type === type);
}

export function isConditionTrue(conditions: readonly Condition[] | undefined, type: string): boolean {
  return findCondition(conditions, type)?.status === "True";
}

/** RFC 3339 in UTC without fractions, as metav1.Time is written. */
export function wholeSeconds(wallMs: number): string {
  return new Date(wallMs).toISOString().replace(/\.\d{3}Z$/, "Z");
}

function order(a: Condition, b: Condition): number {
  return rank(a.type) - rank(b.type) || (a.type < b.type ? -1 : 1);
}

function rank(type: string): number {
  return type === "Ready" ? 0 : type === "Deleting" ? 2 : type === "Paused" ? 3 : 1;
}
