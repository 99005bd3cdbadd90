/** Events: what people see beside the object when one of its conditions turns. Pure. */
import { findCondition } from "@liquidmetal/kubernetes";
import type { ClusterConditionType, MicrovmCluster } from "../api/index.ts";

export interface ClusterEvent {
  readonly type: "Normal" | "Warning";
  readonly reason: string;
  readonly message: string;
}

const told: readonly ClusterConditionType[] = ["EndpointAvailable", "HostsAvailable", "ControlPlaneReachable"];

/** One for each condition whose status or reason turned; waiting that every new cluster goes through is not told. */
export function eventsBetween(before: MicrovmCluster, after: MicrovmCluster): readonly ClusterEvent[] {
  const events = told.flatMap((type): ClusterEvent[] => {
    const was = findCondition(before.status?.conditions, type);
    const is = findCondition(after.status?.conditions, type);
    if (is === undefined || (was?.status === is.status && was.reason === is.reason)) return [];
    if (is.status === "Unknown") return [];
    return [
      {
        type: is.status === "True" ? "Normal" : "Warning",
        reason: `${type}${is.status === "True" ? "" : is.reason}`,
        message: is.message === "" ? `${type} is ${is.status}` : is.message,
      },
    ];
  });
  const provisioned = (cluster: MicrovmCluster): boolean => cluster.status?.initialization?.provisioned === true;
  if (provisioned(after) && !provisioned(before)) {
    events.push({ type: "Normal", reason: "Provisioned", message: "the endpoint and the failure domains are known" });
  }
  return events;
}
