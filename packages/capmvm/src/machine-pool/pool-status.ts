/** From the members of a pool to its status and to the condition ReplicasAvailable. Pure. */
import {
  type Condition,
  type ConditionWanted,
  findCondition,
  pausedCondition,
  setCondition,
  summarizeConditions,
} from "@liquidmetal/kubernetes";
import { type Cluster, type MachinePoolReason, type MicrovmMachinePool, machinePoolConditions } from "../api/index.ts";
import { few } from "../cluster/hosts-condition.ts";
import type { PoolMember } from "./pool-member.ts";
import type { PoolPlan } from "./pool-plan.ts";

type PoolStatus = NonNullable<MicrovmMachinePool["status"]>;

export interface PoolFindings {
  readonly replicasAvailable?: Replicas;
  readonly deleting?: { readonly reason: MachinePoolReason<"Deleting">; readonly message: string };
  /** Undefined = not looked at. */
  readonly members?: readonly PoolMember[];
  readonly provisioned?: boolean;
}

export interface Replicas {
  readonly status: Condition["status"];
  readonly reason: MachinePoolReason<"ReplicasAvailable">;
  readonly message: string;
}

const instancesMax = 1_000;

export function poolStatusAfter(
  pool: MicrovmMachinePool,
  cluster: Cluster | undefined,
  findings: PoolFindings,
  nowMs: number,
): PoolStatus {
  const before = pool.status ?? {};
  const generation = pool.metadata?.generation;
  const observed = generation === undefined ? {} : { observedGeneration: generation };
  let conditions: readonly Condition[] = (before.conditions ?? []).filter(({ type }) =>
    Object.hasOwn(machinePoolConditions, type),
  );
  const put = (wanted: ConditionWanted): void => {
    conditions = setCondition(conditions, { ...wanted, ...observed }, nowMs);
  };
  const { replicasAvailable, deleting, members } = findings;
  if (replicasAvailable !== undefined) put({ type: "ReplicasAvailable", ...replicasAvailable });
  put({ type: "Deleting", status: deleting === undefined ? "False" : "True", reason: "NotDeleting", ...deleting });
  put(pausedCondition(cluster, { ...pool, kind: "MicrovmMachinePool" }));
  put(readyOf(conditions));
  const provisioned = findings.provisioned === true || before.initialization?.provisioned === true;
  return {
    ...before,
    ...(provisioned ? { initialization: { provisioned }, ready: true } : {}),
    infrastructureMachineKind: "MicrovmMachine",
    ...(members === undefined ? {} : countsOf(members)),
    conditions,
  };
}

export function poolStatusWhilePaused(
  pool: MicrovmMachinePool,
  cluster: Cluster | undefined,
  nowMs: number,
): PoolStatus {
  const ours = (pool.status?.conditions ?? []).filter(({ type }) => Object.hasOwn(machinePoolConditions, type));
  const conditions = setCondition(ours, pausedCondition(cluster, { ...pool, kind: "MicrovmMachinePool" }), nowMs);
  return { ...pool.status, conditions };
}

export function replicasCondition(
  plan: PoolPlan,
  members: readonly PoolMember[],
  wanted: number | undefined,
): Replicas {
  const staying = members.filter(({ deleting }) => !deleting);
  const ready = staying.filter((member) => member.ready).length;
  const count = wanted ?? staying.length;
  const current = staying.filter((member) => member.current).length;
  const numbers = `${ready} of ${count} machines are ready`;
  switch (plan.state) {
    case "available":
      return { status: "True", reason: "Available", message: "" };
    case "scaling-up":
      return { status: "False", reason: "ScalingUp", message: `${numbers}, ${staying.length} were made` };
    case "scaling-down":
      return {
        status: "False",
        reason: "ScalingDown",
        message: `${members.length - count} of ${members.length} machines go`,
      };
    case "rolling-out":
      return {
        status: "False",
        reason: "RollingOut",
        message: `${current} of ${count} machines are of the present template; ${numbers}${waitsFor(staying)}`,
      };
    case "not-ready":
      return { status: "False", reason: "MachinesNotReady", message: `${numbers}${waitsFor(staying)}` };
    default:
      return plan.state satisfies never;
  }
}

function waitsFor(members: readonly PoolMember[]): string {
  const troubled = members
    .filter(({ ready }) => !ready)
    .map(({ name, machine, owner }) => {
      const condition = findCondition(machine.status?.conditions, "Ready");
      const why =
        owner === undefined
          ? "waiting for Cluster API to make its Machine"
          : condition?.message || condition?.reason || "not looked at yet";
      return `${name}: ${why}`;
    });
  return troubled.length === 0 ? "" : `; ${few(troubled, 3, "; ")}`;
}

function readyOf(conditions: readonly Condition[]): ConditionWanted {
  const deleting = findCondition(conditions, "Deleting");
  if (deleting?.status === "True") {
    return { type: "Ready", status: "False", reason: "Deleting", message: deleting.message };
  }
  const summary = summarizeConditions(conditions, { of: ["ReplicasAvailable"] });
  const reason = { True: "Ready", False: "NotReady", Unknown: "ReadyUnknown" }[summary.status];
  return { ...summary, reason };
}

function countsOf(members: readonly PoolMember[]): Pick<PoolStatus, "replicas" | "readyReplicas" | "instances"> {
  return {
    replicas: members.length,
    readyReplicas: members.filter(({ ready }) => ready).length,
    instances: members.slice(0, instancesMax).map(({ name, machine, ready }) => ({
      instanceName: name,
      ...(machine.spec.providerID ? { providerID: machine.spec.providerID } : {}),
      ...(machine.status?.addresses === undefined ? {} : { addresses: machine.status.addresses }),
      ready,
    })),
  };
}

/** In the order of names. Machines that go are in it until they are gone: Cluster API deletes a Node when its id is gone. */
export function providerIdsOf(members: readonly PoolMember[]): readonly string[] {
  return members.flatMap(({ machine }) => (machine.spec.providerID ? [machine.spec.providerID] : []));
}
