/**
 * From what a pass found to the whole status that we own. Pure.
 *
 * What was not looked at in this pass keeps what was said of it. `Ready` is False or Unknown as the worst of EndpointAvailable, HostsAvailable and
 * ControlPlaneReachable, with two exceptions: a control plane that nobody expects yet, and hosts of which some still answer, do not keep the infrastructure
 * from being ready (their own conditions say it, and the message of Ready repeats it).
 */
import {
  type Condition,
  type ConditionWanted,
  findCondition,
  pausedCondition,
  setCondition,
} from "@liquidmetal/kubernetes";
import {
  type Cluster,
  type ClusterConditionType,
  clusterConditions,
  type MicrovmCluster,
  type MicrovmClusterStatus,
} from "../api/index.ts";
import type { ClusterFindings } from "./cluster-findings.ts";

export function statusAfter(
  object: MicrovmCluster,
  cluster: Cluster | undefined,
  findings: ClusterFindings,
  nowMs: number,
): MicrovmClusterStatus {
  const { initialization, failureDomains, hosts, conditions: before = [] } = object.status ?? {};
  const generation = object.metadata?.generation;
  const observed = generation === undefined ? {} : { observedGeneration: generation };
  let conditions: readonly Condition[] = before.filter(({ type }) => Object.hasOwn(clusterConditions, type));
  const put = (wanted: ConditionWanted): void => {
    conditions = setCondition(conditions, { ...wanted, ...observed }, nowMs);
  };
  for (const [type, condition] of Object.entries(findings.conditions)) put({ type, ...condition });
  put(pausedCondition(cluster, { ...object, kind: "MicrovmCluster" }));
  put(summary(conditions));
  const provisioned = findings.provisioned === true || initialization?.provisioned === true;
  const domains = findings.failureDomains ?? failureDomains;
  const hostsNow = findings.hosts ?? hosts;
  return {
    ...(provisioned ? { initialization: { provisioned } } : {}),
    ...(domains === undefined || domains.length === 0 ? {} : { failureDomains: domains }),
    ...(hostsNow === undefined ? {} : { hosts: hostsNow }),
    conditions,
  };
}

/** Only Paused changes: nothing else is looked at. */
export function statusWhilePaused(
  object: MicrovmCluster,
  cluster: Cluster | undefined,
  nowMs: number,
): MicrovmClusterStatus {
  const { conditions: before = [], ...rest } = object.status ?? {};
  const ours = before.filter(({ type }) => Object.hasOwn(clusterConditions, type));
  return {
    ...rest,
    conditions: setCondition(ours, pausedCondition(cluster, { ...object, kind: "MicrovmCluster" }), nowMs),
  };
}

const summed: readonly ClusterConditionType[] = ["EndpointAvailable", "HostsAvailable", "ControlPlaneReachable"];

/** Reasons with which a condition that is not True does not count. */
const tolerable: readonly string[] = ["SomeUnavailable", "WaitingForControlPlane"];

function summary(conditions: readonly Condition[]): ConditionWanted {
  const type = "Ready";
  const deleting = findCondition(conditions, "Deleting");
  if (deleting?.status === "True") {
    return { type, status: "False", reason: "Deleting", message: `Deleting: ${words(deleting)}` };
  }
  const known = summed.map((name) => findCondition(conditions, name));
  const lacking = known.filter((condition) => condition !== undefined && condition.status !== "True");
  const message = lacking.map((condition) => condition && `${condition.type}: ${words(condition)}`).join("; ");
  const counted = lacking.filter((condition) => condition !== undefined && !tolerable.includes(condition.reason));
  if (counted.some((condition) => condition?.status === "False")) {
    return { type, status: "False", reason: "NotReady", message };
  }
  if (counted.length > 0 || known[0] === undefined) {
    return { type, status: "Unknown", reason: "ReadyUnknown", message: message || "not looked at yet" };
  }
  return { type, status: "True", reason: "Ready", message };
}

function words({ reason, message }: Pick<Condition, "reason" | "message">): string {
  return message === "" ? reason : message;
}
