/** What a pass over a MicrovmCluster found: the conditions by type, before they are dated and summed up. */
import type { Condition } from "@liquidmetal/kubernetes";
import type { ClusterConditionType, ClusterReason, FailureDomain, MicrovmHostStatus } from "../api/index.ts";

export interface Said<T extends ClusterConditionType = ClusterConditionType> {
  readonly status: Condition["status"];
  readonly reason: ClusterReason<T>;
  readonly message: string;
}

/** Summed up: see `statusAfter`. */
type Found = Exclude<ClusterConditionType, "Ready" | "Paused">;

export type FoundConditions = { readonly [T in Found]?: Said<T> };

export interface ClusterFindings {
  readonly conditions: FoundConditions;
  /** True = the infrastructure is there. It never becomes untrue. */
  readonly provisioned?: true;
  readonly failureDomains?: readonly FailureDomain[];
  readonly hosts?: readonly MicrovmHostStatus[];
}

export function said<T extends ClusterConditionType>(
  status: Condition["status"],
  reason: ClusterReason<T>,
  message = "",
): Said<T> {
  return { status, reason, message };
}
