/** Kubernetes Events of a machine: what happened, told once, when its status has changed. Waiting is no event. */
import { findCondition } from "@liquidmetal/kubernetes";
import type { MicrovmMachine, MicrovmMachineStatus } from "../api/index.ts";
import type { MachineEvents } from "./dependencies.ts";

/** Reasons of VMProvisioned that somebody should look at. */
const bad: readonly string[] = [
  "Failed",
  "NotRunning",
  "Vanished",
  "NameTaken",
  "CreateRefused",
  "NoHostFits",
  "FailureDomainUnknown",
  "ProviderIDInvalid",
  "UnknownState",
];

export function tellOf(events: MachineEvents, machine: MicrovmMachine, after: MicrovmMachineStatus): void {
  const before = machine.status ?? {};
  const say = (type: string, tell: (reason: string, message: string, status: string) => void): void => {
    const was = findCondition(before.conditions, type);
    const is = findCondition(after.conditions, type);
    if (is !== undefined && (was?.reason !== is.reason || was.status !== is.status))
      tell(is.reason, is.message, is.status);
  };
  say("VMProvisioned", (reason, message) => {
    if (reason === "Provisioned") {
      const first = before.initialization?.provisioned !== true;
      events.normal(
        machine,
        first ? "MicroVMRunning" : "MicroVMRunningAgain",
        `it runs on ${after.failureDomain ?? "its host"}`,
      );
    } else if (bad.includes(reason)) events.warning(machine, reason, message);
  });
  say("BootstrapDataAvailable", (reason, message, status) => {
    if (status === "False" && reason !== "WaitingForBootstrapData")
      events.warning(machine, `BootstrapData${reason.replace(/^Data/, "")}`, message);
  });
  say("HostReachable", (reason, message, status) => {
    if (status === "False") events.warning(machine, `Host${reason}`, message);
  });
  say("Deleting", (reason, message) => {
    if (reason === "HostUnreachable" || reason === "AccessSecretMissing")
      events.warning(machine, `Deletion${reason}`, message);
  });
}
