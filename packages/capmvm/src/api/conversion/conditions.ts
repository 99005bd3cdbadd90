/**
 * Conditions from one version to the other. v1alpha1: with a severity, bare when True, `Ready` repeats the reason of what it sums up. v1beta2: metav1.Condition.
 */
import type { Condition } from "@liquidmetal/kubernetes";
import type { ConditionV1alpha1 } from "../v1alpha1/index.ts";
import { conditionTypes, reasonIfNone, reasonInV1alpha1, reasonInV1beta2, severityOf } from "./condition-names.ts";

const typesBack: ReadonlyMap<string, string> = new Map([...conditionTypes].map(([now, before]) => [before, now]));
const reasonShape = /^[A-Za-z](?:[A-Za-z0-9_,:]*[A-Za-z0-9_])?$/;

export function conditionsToV1beta2(conditions: readonly ConditionV1alpha1[]): readonly Condition[] {
  return conditions.map((condition) => {
    const type = typesBack.get(condition.type) ?? condition.type;
    const status = statusOf(condition.status);
    const given = condition.reason === undefined ? "" : reasonInV1beta2(type, condition.reason);
    return {
      type,
      status,
      reason: reasonShape.test(given) ? given : reasonIfNone(type, status),
      message: condition.message ?? "",
      lastTransitionTime: condition.lastTransitionTime,
    };
  });
}

export function conditionsToV1alpha1(conditions: readonly Condition[]): readonly ConditionV1alpha1[] {
  const own = conditions.find(({ type }) => conditionTypes.has(type));
  return conditions.map((condition) => {
    const { type, status, message, lastTransitionTime } = condition;
    // Upstream's summary says what its one other condition says.
    const saying = type === "Ready" && status === "False" && own?.status === "False" ? own : condition;
    return {
      type: conditionTypes.get(type) ?? type,
      status,
      ...(status === "False" ? { severity: severityOf(saying.reason) } : {}),
      ...(status === "True" ? {} : { reason: reasonInV1alpha1(saying.type, saying.reason).slice(0, 256) }),
      ...(status === "True" || message === "" ? {} : { message: message.slice(0, 10_240) }),
      lastTransitionTime,
    };
  });
}

function statusOf(text: string): Condition["status"] {
  return text === "True" || text === "False" ? text : "Unknown";
}
