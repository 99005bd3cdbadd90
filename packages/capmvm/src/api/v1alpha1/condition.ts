/** Conditions as Cluster API v1beta1 has them: with a severity, and bare when True. */
import { z } from "zod";

export interface ConditionV1alpha1 {
  readonly type: string;
  readonly status: string;
  /** Set when the status is False. */
  readonly severity?: string;
  readonly reason?: string;
  readonly message?: string;
  /** RFC 3339. */
  readonly lastTransitionTime: string;
}

export const conditionsV1alpha1: z.ZodType<readonly ConditionV1alpha1[]> = z
  .array(
    z.object({
      type: z.string().min(1).max(256).describe("Type of the condition, in CamelCase."),
      status: z.string().describe("True, False or Unknown."),
      severity: z.string().max(32).describe("Error, Warning or Info; when the status is False.").exactOptional(),
      reason: z.string().min(1).max(256).describe("Why the status is what it is, in CamelCase.").exactOptional(),
      message: z.string().min(1).max(10_240).describe("The same for people.").exactOptional(),
      lastTransitionTime: z.iso.datetime({ offset: true }).describe("When the condition last changed."),
    }),
  )
  .describe("What is so and what is waited for.");
