/** Labels and annotations that a template gives to what is made from it. */
import { z } from "zod";
import { notEmpty, stringMap } from "./fields.ts";

export interface TemplateMetadata {
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

export const templateMetadataSchema: z.ZodType<TemplateMetadata> = z
  .object({
    labels: stringMap.describe("Labels.").exactOptional(),
    annotations: stringMap.describe("Annotations.").exactOptional(),
  })
  .meta(notEmpty())
  .describe("Labels and annotations of what is made.");
