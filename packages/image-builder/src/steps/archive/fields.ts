/** What a recipe says of an `archive` step. */
import { z } from "zod";

export interface ArchiveFields {
  readonly url: string;
  readonly digest: string;
  readonly version?: string | undefined;
  readonly strip: number;
  readonly files: Readonly<Record<string, string>>;
  readonly mode?: string | undefined;
}

const line = z
  .string()
  .min(1, "must not be empty")
  .max(4096)
  .regex(/^[^\x00-\x1f\x7f]*$/, "must be one line, without control characters");
const inside = line.refine((path) => !path.startsWith("/") && !path.split("/").includes(".."), {
  message: "must be a path without a leading slash and without ..",
});

export const fields: z.ZodType<ArchiveFields> = z.strictObject({
  url: line.describe(
    "Where it is: https, http or file URL, or a path relative to the recipe. A tar archive (plain, gzip, xz, zstd) or a plain file.",
  ),
  digest: z
    .string()
    .regex(/^sha256:[0-9a-f]{64}$/, "must be sha256: and 64 hexadecimal digits")
    .describe("What it has to be, as in sha256:<hex>. Anything else is refused."),
  version: line.max(128).optional().describe("Version of what is in it, for the bill of materials."),
  strip: z
    .number()
    .int()
    .min(0)
    .max(32)
    .default(0)
    .describe("Leading folders of the archive's paths that are left out."),
  files: z
    .record(z.union([z.literal("*"), inside]), inside)
    .refine((files) => Object.keys(files).length > 0, "must name at least one file")
    .describe(
      "Path in the archive: path in the image. A folder comes with all that lies in it; '*' is everything, '.' the image's root. Of a plain file only '*'.",
    ),
  mode: z
    .string()
    .regex(/^0[0-7]{3,4}$/, "must be octal, as in 0755")
    .optional()
    .describe("Mode of every file, as in 0755. Default: the archive's; of a plain file 0755."),
});
