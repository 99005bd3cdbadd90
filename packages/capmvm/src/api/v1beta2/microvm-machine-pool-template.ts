/** MicrovmMachinePoolTemplate: what a ClusterClass makes MicrovmMachinePools from. Has no status. */
import { type KubernetesObject, type Resource, resource } from "@liquidmetal/kubernetes";
import { z } from "zod";
import { type MicrovmMachinePoolSpec, machinePoolSpecSchema } from "./microvm-machine-pool.ts";
import { infrastructureGroup } from "./names.ts";
import { type TemplateMetadata, templateMetadataSchema } from "./template-metadata.ts";

export interface MicrovmMachinePoolTemplate extends KubernetesObject {
  readonly spec: { readonly template: { readonly metadata?: TemplateMetadata; readonly spec: MicrovmMachinePoolSpec } };
}

export const microvmMachinePoolTemplates: Resource<MicrovmMachinePoolTemplate> = resource<MicrovmMachinePoolTemplate>({
  group: infrastructureGroup,
  version: "v1beta2",
  kind: "MicrovmMachinePoolTemplate",
  plural: "microvmmachinepooltemplates",
  namespaced: true,
});

export const microvmMachinePoolTemplateSchema: z.ZodType<Pick<MicrovmMachinePoolTemplate, "spec">> = z.object({
  spec: z
    .object({
      template: z
        .object({
          metadata: templateMetadataSchema.exactOptional(),
          spec: machinePoolSpecSchema.describe("Spec of the MicrovmMachinePools."),
        })
        .describe("What the MicrovmMachinePools are made from."),
    })
    .describe("What shall be."),
});
