/**
 * Defaults and rules for MicrovmMachine.
 *
 * Fields by the contract's classes (in-place changes):
 *   immutable            every field of the spec but the two below: flintlock cannot change a microVM, another spec is another Machine
 *   written by us        providerID; networkInterfaces[].guestMac where it was absent
 *   mutable in place     none, so that no update extension can promise what no host does
 *
 * Upstream's webhook said the same of the spec and was never called, because it was registered for a resource that does not exist; providerID it would have refused.
 */
import type { AdmissionContext, AdmissionVerdict } from "@liquidmetal/kubernetes";
import { type MicrovmMachine, type MicrovmMachineSpec, type MicrovmNetworkInterface, sameJson } from "../api/index.ts";
import { Findings } from "./findings.ts";
import { checkMachineSpec, checkProviderId } from "./machine-spec.ts";
import { checkAbandon } from "./microvm-cluster.ts";

/**
 * Gives every interface of a new machine a MAC, so that it is known and stays. `macOf` gives a new one each time. May meet anything: it runs before the schema is
 * checked.
 */
export function defaultMicrovmMachine(
  machine: MicrovmMachine,
  { operation }: Pick<AdmissionContext, "operation">,
  macOf: (device: string) => string,
): MicrovmMachine {
  const interfaces: unknown = machine.spec?.networkInterfaces;
  if (operation !== "CREATE" || !Array.isArray(interfaces)) return machine;
  const complete: readonly MicrovmNetworkInterface[] = interfaces.map((one) => {
    const { guestDeviceName, guestMac = "" } = one ?? {};
    return typeof guestDeviceName === "string" && guestMac === "" ? { ...one, guestMac: macOf(guestDeviceName) } : one;
  });
  return { ...machine, spec: { ...machine.spec, networkInterfaces: complete } };
}

export function validateMicrovmMachine(
  machine: MicrovmMachine | undefined,
  old: MicrovmMachine | undefined,
): AdmissionVerdict | undefined {
  if (machine === undefined) return undefined;
  const findings = new Findings();
  checkAbandon(findings, machine);
  if (old === undefined) checkMachineSpec(findings, machine.spec, "spec");
  else checkChange(findings, machine, old);
  if (machine.spec?.providerID !== old?.spec?.providerID && !findings.refusedAt("spec.providerID")) {
    checkProviderId(findings, machine.spec?.providerID, "spec.providerID");
  }
  return findings.verdict();
}

function checkChange(findings: Findings, machine: MicrovmMachine, old: MicrovmMachine): void {
  const [now, before] = [machine.spec, old.spec].map((spec): Readonly<Record<string, unknown>> => ({ ...spec }));
  const names = new Set([...Object.keys(now ?? {}), ...Object.keys(before ?? {})]);
  names.delete("providerID");
  for (const name of [...names].toSorted()) {
    if (sameJson(now?.[name], before?.[name])) continue;
    if (name === "networkInterfaces" && onlyMacsGiven(machine.spec, old.spec)) continue;
    findings.refuse(
      `spec.${name}`,
      "Forbidden",
      "a microVM cannot be changed once it is asked for; change the template that its Machine comes from, and the Machine is replaced",
    );
  }
  const id = old.spec?.providerID;
  if (id !== undefined && id !== machine.spec?.providerID) {
    findings.warn(
      "spec.providerID",
      `was ${id}; the microVM behind that is no longer looked after unless it is set again`,
    );
  }
}

/** The interfaces are the same but for MACs that were absent. */
function onlyMacsGiven(now: MicrovmMachineSpec, before: MicrovmMachineSpec): boolean {
  const [after, was] = [now.networkInterfaces ?? [], before.networkInterfaces ?? []];
  return (
    after.length === was.length &&
    after.every((one, at) => {
      const other = was[at];
      return other !== undefined && sameJson({ guestMac: one.guestMac, ...other }, one);
    })
  );
}
