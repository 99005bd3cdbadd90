/** MicrovmClusterTemplate: what a ClusterClass makes MicrovmClusters from. Has no status. */
import { type KubernetesObject, type Resource, resource } from "@liquidmetal/kubernetes";
import { z } from "zod";
import { clusterSpecSchema, type MicrovmClusterSpec } from "./microvm-cluster.ts";
import { infrastructureGroup } from "./names.ts";
import { type TemplateMetadata, templateMetadataSchema } from "./template-metadata.ts";

export interface MicrovmClusterTemplate extends KubernetesObject {
  readonly spec: { readonly template: { readonly metadata?: TemplateMetadata; readonly spec: MicrovmClusterSpec } };
}

export const microvmClusterTemplates: Resource<MicrovmClusterTemplate> = resource<MicrovmClusterTemplate>({
  group: infrastructureGroup,
  version: "v1beta2",
  kind: "MicrovmClusterTemplate",
  plural: "microvmclustertemplates",
  namespaced: true,
});

export const microvmClusterTemplateSchema: z.ZodType<Pick<MicrovmClusterTemplate, "spec">> = z.object({
  spec: z
    .object({
      template: z
        .object({
          metadata: templateMetadataSchema.exactOptional(),
          spec: clusterSpecSchema.describe("Spec of the MicrovmClusters."),
        })
        .describe("What the MicrovmClusters are made from."),
    })
    .describe("What shall be."),
});
