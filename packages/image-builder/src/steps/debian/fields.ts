/** What a recipe says of a Debian root. */
import { z } from "zod";
import { packageName, sourcesField, suiteField } from "../packages/fields.ts";

export interface DebianFields {
  readonly variant?: "minbase" | "essential" | "apt" | undefined;
  readonly suite?: string | undefined;
  readonly sources?: string | undefined;
  readonly include?: readonly string[] | undefined;
  readonly exclude?: readonly string[] | undefined;
  readonly scripts?: readonly string[] | undefined;
}

export const debianFields: z.ZodType<DebianFields> = z
  .strictObject({
    variant: z
      .enum(["minbase", "essential", "apt"])
      .optional()
      .describe(
        "A new root: its smallest set of packages, as mmdebstrap has it (minbase: essential and required ones, and apt; apt: essential ones and apt). " +
          "Absent = the layers below are a Debian root, and packages are added to it.",
      ),
    suite: suiteField,
    sources: sourcesField,
    include: z
      .array(packageName)
      .max(1000)
      .optional()
      .describe("Packages to install; what they depend on comes with them, what they recommend does not."),
    exclude: z
      .array(
        z
          .string()
          .min(1)
          .refine((path) => !/^!?\//.test(path), "must not begin with a slash")
          .refine((path) => !/[\n\r"]/.test(path), "must be one line"),
      )
      .max(500)
      .optional()
      .describe(
        "Paths of packages that are left out, with * as dpkg's path-exclude has it; a later one with ! in front is kept. Holds in the guest too.",
      ),
    scripts: z
      .array(z.string().min(1).max(100_000))
      .max(100)
      .optional()
      .describe(
        "Shell programs (sh -eu) that run in the root after the installation: in a sandbox, without network. They have to do the same every time.",
      ),
  })
  .refine(
    ({ variant, include, scripts }) => variant !== undefined || include !== undefined || scripts !== undefined,
    "needs one of variant (for a new root), include, scripts",
  );
