/** MicrovmMachine: one microVM, the infrastructure of one Machine. */
import { atomicList, type Condition, type KubernetesObject, type Resource, resource } from "@liquidmetal/kubernetes";
import { z } from "zod";
import { conditionList, text } from "./fields.ts";
import { type MicrovmMachineSpec, machineSpecSchema } from "./machine-spec.ts";
import { initializationSchema } from "./microvm-cluster.ts";
import { infrastructureGroup } from "./names.ts";

export interface MachineAddress {
  readonly type: "Hostname" | "ExternalIP" | "InternalIP" | "ExternalDNS" | "InternalDNS";
  readonly address: string;
}

/** `deleted` is upstream's and never written; kept so that objects of v1alpha1 pass. */
export type VmState = "pending" | "running" | "failed" | "deleting" | "deleted" | "stopped" | "missing" | "unknown";

export interface MicrovmMachineStatus {
  readonly initialization?: { readonly provisioned?: boolean };
  readonly addresses?: readonly MachineAddress[];
  /** Endpoint of the host where it runs. */
  readonly failureDomain?: string;
  readonly vmState?: VmState;
  readonly conditions?: readonly Condition[];
}

export interface MicrovmMachine extends KubernetesObject {
  readonly spec: MicrovmMachineSpec;
  readonly status?: MicrovmMachineStatus;
}

export const microvmMachines: Resource<MicrovmMachine> = resource<MicrovmMachine>({
  group: infrastructureGroup,
  version: "v1beta2",
  kind: "MicrovmMachine",
  plural: "microvmmachines",
  namespaced: true,
});

export const machineAddressList: z.ZodType<readonly MachineAddress[]> = z
  .array(
    z.object({
      type: z
        .enum(["Hostname", "ExternalIP", "InternalIP", "ExternalDNS", "InternalDNS"])
        .describe("Kind of the address."),
      address: text(256).describe("The address."),
    }),
  )
  .max(32)
  .meta(atomicList())
  .describe("Addresses of the guest, as its host tells them.");

const vmStates: readonly VmState[] = [
  "pending",
  "running",
  "failed",
  "deleting",
  "deleted",
  "stopped",
  "missing",
  "unknown",
];

export const microvmMachineSchema: z.ZodType<Pick<MicrovmMachine, "spec" | "status">> = z.object({
  spec: machineSpecSchema.describe("What shall be. Fixed, but for providerID."),
  status: z
    .object({
      initialization: initializationSchema.exactOptional(),
      addresses: machineAddressList.exactOptional(),
      failureDomain: text(256).describe("Endpoint of the host where the microVM is.").exactOptional(),
      vmState: z.enum(vmStates).describe("State of the microVM as its host tells it.").exactOptional(),
      conditions: conditionList.exactOptional(),
    })
    .describe("What is.")
    .exactOptional(),
});
