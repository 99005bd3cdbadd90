/**
 * From what is there and what was found to the status that shall be written, or to nothing when it says so already. Pure.
 *
 * Conditions change their time only with their status. `Ready` says the one thing that is waited for. What other managers put into the status is not ours:
 * it is neither compared nor written.
 */
import { isDeepStrictEqual } from "node:util";
import { type Condition, findCondition, setCondition } from "@liquidmetal/kubernetes";
import {
  type MachineConditionType,
  type MachineReason,
  type MicrovmMachine,
  type MicrovmMachineStatus,
  machineConditions,
} from "../api/index.ts";
import type { Findings, FoundConditions } from "./findings.ts";

type FoundType = keyof FoundConditions;
interface Said {
  readonly status: Condition["status"];
  readonly reason: string;
  readonly message: string;
}

/** The whole status that we own after this pass; undefined when it is there already. */
export function statusAfter(
  machine: MicrovmMachine,
  findings: Findings,
  nowMs: number,
): MicrovmMachineStatus | undefined {
  const before = ours(machine.status);
  const said = saidAfter(before, findings);
  const generation = machine.metadata?.generation;
  const observed = generation === undefined ? {} : { observedGeneration: generation };
  const all = Object.entries({ ...said, Ready: summary(said) });
  const conditions = all.reduce<readonly Condition[]>(
    (list, [type, one]) => setCondition(list, { type, ...one, ...observed }, nowMs),
    before.conditions ?? [],
  );
  const after: MicrovmMachineStatus = {
    ...before,
    ...(findings.provisioned === true ? { initialization: { provisioned: true } } : {}),
    ...(findings.vmState === undefined ? {} : { vmState: findings.vmState }),
    ...(findings.addresses === undefined ? {} : { addresses: findings.addresses }),
    ...(findings.failureDomain === undefined ? {} : { failureDomain: findings.failureDomain }),
    conditions,
  };
  return isDeepStrictEqual(comparable(before), comparable(after)) ? undefined : after;
}

export function conditionNow(machine: MicrovmMachine, type: MachineConditionType): Condition | undefined {
  return findCondition(machine.status?.conditions, type);
}

export function isProvisioned(machine: MicrovmMachine): boolean {
  return machine.status?.initialization?.provisioned === true;
}

function ours(status: MicrovmMachineStatus = {}): MicrovmMachineStatus {
  const { initialization, addresses, failureDomain, vmState, conditions = [] } = status;
  return {
    ...(initialization === undefined ? {} : { initialization }),
    ...(addresses === undefined ? {} : { addresses }),
    ...(failureDomain === undefined ? {} : { failureDomain }),
    ...(vmState === undefined ? {} : { vmState }),
    conditions: conditions.filter(({ type }) => Object.hasOwn(machineConditions, type)),
  };
}

function saidAfter(before: MicrovmMachineStatus, { conditions }: Findings): { readonly [T in FoundType]?: Said } {
  const said: { [T in FoundType]?: Said } = {};
  for (const { type, status, reason, message } of before.conditions ?? []) {
    if (isFoundType(type)) said[type] = { status, reason, message };
  }
  return { ...said, ...conditions };
}

function isFoundType(type: string): type is FoundType {
  return type !== "Ready" && Object.hasOwn(machineConditions, type);
}

function summary(said: { readonly [T in FoundType]?: Said }): Said {
  const ready = (status: Condition["status"], reason: MachineReason<"Ready">, message: string): Said => ({
    status,
    reason,
    message,
  });
  const { Deleting, VMProvisioned, HostReachable } = said;
  if (Deleting?.status === "True") return ready("False", "Deleting", repeated("Deleting", Deleting));
  if (VMProvisioned === undefined) return ready("Unknown", "ReadyUnknown", "VMProvisioned: not looked at yet");
  if (VMProvisioned.status === "True") {
    // The microVM was seen running; whether it still does cannot be told without its host.
    if (HostReachable !== undefined && HostReachable.status !== "True") {
      return ready("Unknown", "ReadyUnknown", repeated("HostReachable", HostReachable));
    }
    return ready("True", "Ready", "");
  }
  const pointsTo: Partial<Record<string, FoundType>> = {
    WaitingForHost: "HostReachable",
    WaitingForBootstrapData: "BootstrapDataAvailable",
  };
  const type = pointsTo[VMProvisioned.reason] ?? "VMProvisioned";
  const words = repeated(type, said[type] ?? VMProvisioned);
  return VMProvisioned.status === "False" ? ready("False", "NotReady", words) : ready("Unknown", "ReadyUnknown", words);
}

function repeated(type: FoundType, { reason, message }: Said): string {
  return `${type}: ${message === "" ? reason : message}`;
}

/** Neither the order of conditions nor the generation that they were looked at for is worth a write. */
function comparable(status: MicrovmMachineStatus): unknown {
  const conditions = Object.fromEntries(
    (status.conditions ?? []).map(({ observedGeneration: _, ...condition }) => [condition.type, condition]),
  );
  return { ...status, conditions };
}
