/** What one pass over a machine found: conditions by type, and what else its status says. What is left out stays as it was. */
import type { MachineAddress, MachineConditionType, MachineReason, VmState } from "../api/index.ts";

export interface Finding<T extends MachineConditionType> {
  readonly status: "True" | "False" | "Unknown";
  readonly reason: MachineReason<T>;
  readonly message: string;
}

/** `Ready` follows from the others. */
export type FoundConditions = { readonly [T in Exclude<MachineConditionType, "Ready">]?: Finding<T> };

export interface Findings {
  readonly conditions: FoundConditions;
  /** True once, and from then on. */
  readonly provisioned?: true;
  readonly vmState?: VmState;
  readonly addresses?: readonly MachineAddress[];
  readonly failureDomain?: string;
}

export const nothingFound: Findings = { conditions: {} };

/** `b` wins where both say something. */
export function both(a: Findings, b: Findings): Findings {
  return { ...a, ...b, conditions: { ...a.conditions, ...b.conditions } };
}

export function found<T extends Exclude<MachineConditionType, "Ready">>(
  type: T,
  status: Finding<T>["status"],
  reason: MachineReason<T>,
  message = "",
): Findings {
  const conditions: FoundConditions = { [type]: { status, reason, message } };
  return { conditions };
}
