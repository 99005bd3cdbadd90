/**
 * MicrovmMachineTemplate: what MicrovmMachines are made from. Its status tells the cluster autoscaler what a machine of it has, so that it can scale from zero.
 *
 * Source: Cluster API contract v1beta2, InfraMachineTemplate, "support cluster autoscaling from zero".
 */
import { type KubernetesObject, type Resource, resource } from "@liquidmetal/kubernetes";
import { z } from "zod";
import { notEmpty, text } from "./fields.ts";
import { type MicrovmMachineSpec, machineSpecSchema } from "./machine-spec.ts";
import { infrastructureGroup } from "./names.ts";
import { type TemplateMetadata, templateMetadataSchema } from "./template-metadata.ts";

export interface NodeInfo {
  readonly architecture?: "amd64" | "arm64" | "s390x" | "ppc64le";
  readonly operatingSystem?: string;
}

export interface MicrovmMachineTemplate extends KubernetesObject {
  readonly spec: { readonly template: { readonly metadata?: TemplateMetadata; readonly spec: MicrovmMachineSpec } };
  readonly status?: {
    /** Quantities by resource: cpu, memory, ephemeral-storage. */
    readonly capacity?: Readonly<Record<string, string>>;
    readonly nodeInfo?: NodeInfo;
  };
}

export const microvmMachineTemplates: Resource<MicrovmMachineTemplate> = resource<MicrovmMachineTemplate>({
  group: infrastructureGroup,
  version: "v1beta2",
  kind: "MicrovmMachineTemplate",
  plural: "microvmmachinetemplates",
  namespaced: true,
});

export const microvmMachineTemplateSchema: z.ZodType<Pick<MicrovmMachineTemplate, "spec" | "status">> = z.object({
  spec: z
    .object({
      template: z
        .object({
          metadata: templateMetadataSchema.exactOptional(),
          spec: machineSpecSchema.describe("Spec of the MicrovmMachines."),
        })
        .describe("What the MicrovmMachines are made from."),
    })
    .describe("What shall be. Fixed: a rollout takes a new template."),
  status: z
    .object({
      capacity: z
        .record(z.string(), text(64))
        .meta({ maxProperties: 64 })
        .describe("Resources that a Node of it has.")
        .exactOptional(),
      nodeInfo: z
        .object({
          architecture: z
            .enum(["amd64", "arm64", "s390x", "ppc64le"])
            .describe("Architecture of the Node.")
            .exactOptional(),
          operatingSystem: text(64).describe("Operating system of the Node.").exactOptional(),
        })
        .meta(notEmpty())
        .describe("What a Node of it is.")
        .exactOptional(),
    })
    .describe("What is.")
    .exactOptional(),
});
