/** A Machine in the tree: how far its way to a Node it is, which microVM is behind it and where. */
import type { Condition } from "@liquidmetal/kubernetes";
import type { Machine, MicrovmMachine } from "../objects.ts";
import { isFailure, ofCondition, oneLine, type Standing, standingOf } from "./standing.ts";
import { conditionsOf, type TreeNode } from "./tree-node.ts";

/** Which conditions of a MicrovmMachine say why there is no microVM yet, the cause before its effect. */
const causes = ["HostReachable", "BootstrapDataAvailable", "VMProvisioned"];

export function machineNode(machine: Machine, microvm: MicrovmMachine | undefined): TreeNode {
  const standing = machineStanding(machine, microvm);
  return {
    kind: "Machine",
    name: machine.metadata?.name ?? "",
    role: "",
    ...standing,
    detail: [machine.spec?.version ?? "", hostOf(machine, microvm), nodeText(machine)]
      .filter((part) => part !== "")
      .join(", "),
    conditions: conditionsOf(machine),
    children: microvm === undefined ? [] : [microvmNode(microvm)],
  };
}

/** `host:port` of flintlockd; "" while none is chosen. */
export function hostOf(machine: Machine, microvm: MicrovmMachine | undefined): string {
  const providerId = machine.spec?.providerID ?? microvm?.spec?.providerID ?? "";
  return /^microvm:\/\/([^/]+)\//.exec(providerId)?.[1] ?? microvm?.status?.failureDomain ?? "";
}

function machineStanding(machine: Machine, microvm: MicrovmMachine | undefined): Standing {
  const standing = standingOf(machine, "Ready");
  if (standing.state !== "waiting" && standing.state !== "unknown") return standing;
  const conditions = machine.status?.conditions ?? [];
  const find = (type: string): Condition | undefined => conditions.find((each) => each.type === type);
  // A microVM knows first how it is; its Machine repeats it later.
  const provisioned = microvm?.status?.conditions?.find(({ type }) => type === "VMProvisioned");
  if (provisioned?.status === "True") {
    if (machine.status?.nodeRef === undefined) return booting(provisioned);
  } else if (microvm !== undefined && find("InfrastructureReady")?.status !== "True") {
    const behind = cause(microvm);
    if (behind !== undefined) return behind;
  }
  const first = ["BootstrapConfigReady", "InfrastructureReady"]
    .map(find)
    .find((each) => each !== undefined && each.status !== "True" && provisioned?.status !== "True");
  if (first !== undefined) return ofCondition(first);
  const node = ["NodeHealthy", "NodeReady"].map(find).find((each) => each !== undefined && each.status !== "True");
  return node === undefined ? standing : ofCondition(node);
}

/** The microVM runs, and its Node has not come yet: nobody else says since when. */
function booting(provisioned: Condition): Standing {
  return {
    state: "waiting",
    reason: "WaitingForNode",
    message: "its microVM runs; the guest boots and joins the cluster",
    since: provisioned.lastTransitionTime,
  };
}

/** The condition of a microVM that stands in its way, if one does. */
function cause(microvm: MicrovmMachine): Standing | undefined {
  if (microvm.metadata?.deletionTimestamp !== undefined) return standingOf(microvm, "Ready");
  const bad = (microvm.status?.conditions ?? []).filter(
    ({ type, status }) => causes.includes(type) && status !== "True",
  );
  const failed = bad.find(({ reason }) => isFailure(reason));
  const [first] = bad.toSorted((left, right) => causes.indexOf(left.type) - causes.indexOf(right.type));
  const chosen =
    failed ?? (first?.reason === "NotPlaced" ? (bad.find(({ type }) => type !== "HostReachable") ?? first) : first);
  return chosen === undefined ? undefined : ofCondition(chosen);
}

function microvmNode(microvm: MicrovmMachine): TreeNode {
  const standing = standingOf(microvm, "Ready");
  const behind = standing.state === "waiting" ? (cause(microvm) ?? standing) : standing;
  const { vmState = "", failureDomain = "" } = microvm.status ?? {};
  return {
    kind: "MicrovmMachine",
    name: microvm.metadata?.name ?? "",
    role: "",
    ...behind,
    message: oneLine(behind.message),
    detail: [vmState === "" ? "" : `microVM ${vmState}`, failureDomain].filter((part) => part !== "").join(" on "),
    conditions: conditionsOf(microvm),
    children: [],
  };
}

function nodeText(machine: Machine): string {
  const name = machine.status?.nodeRef?.name;
  return name === undefined || name === machine.metadata?.name ? "" : `node ${name}`;
}
