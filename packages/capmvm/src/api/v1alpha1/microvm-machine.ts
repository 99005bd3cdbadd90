/** Upstream's MicrovmMachine and MicrovmMachineTemplate. */
import type { KubernetesObject } from "@liquidmetal/kubernetes";
import { z } from "zod";
import { type ConditionV1alpha1, conditionsV1alpha1 } from "./condition.ts";
import { type MicrovmMachineSpecV1alpha1, machineSpecSchemaV1alpha1 } from "./machine-spec.ts";

export interface MachineAddressV1alpha1 {
  readonly type: "Hostname" | "ExternalIP" | "InternalIP" | "ExternalDNS" | "InternalDNS";
  readonly address: string;
}

export interface MicrovmMachineStatusV1alpha1 {
  readonly ready?: boolean;
  /** pending, running, failed, unknown; deleted is declared and never written. */
  readonly vmState?: string;
  readonly addresses?: readonly MachineAddressV1alpha1[];
  readonly failureReason?: string;
  readonly failureMessage?: string;
  readonly conditions?: readonly ConditionV1alpha1[];
}

export interface MicrovmMachineV1alpha1 extends KubernetesObject {
  readonly spec?: MicrovmMachineSpecV1alpha1;
  readonly status?: MicrovmMachineStatusV1alpha1;
}

export interface MicrovmMachineTemplateV1alpha1 extends KubernetesObject {
  readonly spec?: {
    readonly template: {
      readonly metadata?: {
        readonly labels?: Readonly<Record<string, string>>;
        readonly annotations?: Readonly<Record<string, string>>;
      };
      readonly spec: MicrovmMachineSpecV1alpha1;
    };
  };
}

export const microvmMachineSchemaV1alpha1: z.ZodType<Pick<MicrovmMachineV1alpha1, "spec" | "status">> = z.object({
  spec: machineSpecSchemaV1alpha1.describe("What shall be.").exactOptional(),
  status: z
    .object({
      ready: z.boolean().describe("Whether the microVM runs.").default(false),
      vmState: z.string().describe("State of the microVM as its host tells it.").exactOptional(),
      addresses: z
        .array(
          z.object({
            type: z
              .enum(["Hostname", "ExternalIP", "InternalIP", "ExternalDNS", "InternalDNS"])
              .describe("Kind of the address."),
            address: z.string().min(1).max(256).describe("The address."),
          }),
        )
        .describe("Addresses of the guest.")
        .exactOptional(),
      failureReason: z.string().describe("Never set.").exactOptional(),
      failureMessage: z.string().describe("Never set.").exactOptional(),
      conditions: conditionsV1alpha1.exactOptional(),
    })
    .describe("What is.")
    .exactOptional(),
});

export const microvmMachineTemplateSchemaV1alpha1: z.ZodType<Pick<MicrovmMachineTemplateV1alpha1, "spec">> = z.object({
  spec: z
    .object({
      template: z
        .object({
          metadata: z
            .object({
              labels: z.record(z.string(), z.string()).describe("Labels.").exactOptional(),
              annotations: z.record(z.string(), z.string()).describe("Annotations.").exactOptional(),
            })
            .describe("Labels and annotations of what is made.")
            .exactOptional(),
          spec: machineSpecSchemaV1alpha1.describe("Spec of the MicrovmMachines."),
        })
        .describe("What the MicrovmMachines are made from."),
    })
    .describe("What shall be.")
    .exactOptional(),
});
