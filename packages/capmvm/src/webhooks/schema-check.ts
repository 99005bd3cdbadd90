/**
 * The schema of v1beta2 over an object.
 *
 * The API server checks an object against the schema of the version that it was sent in. What came as v1alpha1 was converted to what we are shown, and what is
 * stored is v1beta2: so that version's bounds are checked here.
 */
import type { z } from "zod";
import type { Findings } from "./findings.ts";

/** `path`: where the value stands in its object. True when it has the shape that its type says: other checks may then rely on it. */
export function checkSchema(findings: Findings, schema: z.ZodType, value: unknown, path: string): boolean {
  const { error } = schema.safeParse(value);
  for (const issue of error?.issues ?? []) {
    const at = issue.path.map((step) => (typeof step === "number" ? `[${step}]` : `.${String(step)}`)).join("");
    findings.refuse(
      `${path}${at}`,
      issue.message.includes("received undefined") ? "Required" : "Invalid",
      issue.message,
    );
  }
  return error === undefined;
}
