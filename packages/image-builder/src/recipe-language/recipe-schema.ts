/**
 * What a recipe may say: the header here, the fields of each layer in its kind of step. Strict: what is not known is an error.
 *
 * The descriptions become the published JSON schema, and with it the help that editors show.
 */
import { z } from "zod";
import type { RecipeDocument } from "./recipe-document.ts";

/** A recipe's name is a repository of images: lower case, parts between slashes. */
export const recipeName: RegExp = /^[a-z0-9]+([._-][a-z0-9]+)*(\/[a-z0-9]+([._-][a-z0-9]+)*)*$/;
const variableName = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;

const text = z.string().min(1, "must not be empty").max(4096);
const line = z
  .string()
  .min(1, "must not be empty")
  .max(1024)
  .regex(/^[^\x00-\x1f\x7f]*$/, "must be one line, without control characters");
const values = z.record(line, z.string().max(8192));
const architecture: z.ZodEnum<{ amd64: "amd64"; arm64: "arm64" }> = z.enum(["amd64", "arm64"]);
const variable = z
  .string()
  .max(64)
  .regex(variableName, "a variable is called by lower case letters, digits and hyphens, as in cluster-cidr")
  .refine((name) => name !== "architecture", "this variable is there already: the architecture of the image");
const pathInImage = line.refine((path) => !path.startsWith("/") && !path.split("/").includes(".."), {
  message: "must be a path in the image, without a leading slash and without ..",
});

const date = z.string().refine((value) => dateSeconds(value) !== undefined, {
  message: "must be a date of RFC 3339 after 1980, as in 2026-11-01 or 2026-11-01T12:00:00Z",
});

/** Seconds since 1970 of a day or of a time in UTC; undefined where it is none. */
export function dateSeconds(value: string): number | undefined {
  const parts = /^(\d{4}-\d{2}-\d{2})(T\d{2}:\d{2}:\d{2}Z)?$/.exec(value);
  if (parts === null) return undefined;
  const iso = `${parts[1]}${parts[2] ?? "T00:00:00Z"}`;
  const time = Date.parse(iso);
  // 30 February is parsed as 2 March by some: only what comes back as it went in is a date.
  if (Number.isNaN(time) || new Date(time).toISOString() !== iso.replace("Z", ".000Z")) return undefined;
  // Tar and file systems of guests hold no earlier and no later time safely.
  return time >= Date.UTC(1980, 0, 1) && time < Date.UTC(2100, 0, 1) ? time / 1000 : undefined;
}

const parameter = z
  .strictObject({
    description: line.describe("What it is for, in one line."),
    default: z.string().max(1024).optional().describe("Absent = must be given."),
    pattern: line
      .refine(isRegularExpression, "is no regular expression")
      .optional()
      .describe("A regular expression that the whole value has to match."),
    tested: z.array(z.string()).optional().describe("Values that the recipe was tested with."),
  })
  .describe("A variable that the caller may set: lm image build RECIPE --set NAME=VALUE.");

const table = z
  .strictObject({
    by: line.describe("The parameter (or variable of a table above) whose value picks the row."),
    rows: z
      .record(line, z.record(variable, z.string().max(8192)))
      .describe("Variables by value: the longest key that is a prefix by parts between dots, as 1.36 is of 1.36.3."),
  })
  .describe("Variables that follow from another.");

const from = z
  .union([
    line,
    z.strictObject({
      recipe: line.describe("A recipe's name, or a path relative to this file."),
      parameters: z.record(variable, z.string()).optional().describe("Values of the parameters of that recipe."),
    }),
  ])
  .describe(
    "The image below: a recipe by name (base/debian-12) or relative path (./other.yaml), oci:DIRECTORY, oci-archive:FILE, or a reference with a digest.",
  );

const boot = z
  .strictObject({
    kernel: pathInImage.optional().describe("Path of the kernel (bzImage, or ELF where there is only one)."),
    elfKernel: pathInImage.optional().describe("Path of the kernel as ELF file, which Firecracker and PVH boot."),
    initrd: pathInImage.optional().describe("Path of the initrd."),
    arguments: line.optional().describe("Kernel arguments that the image wants."),
    devices: z.array(line).optional().describe("Devices without which it does not boot, as in virtio-blk."),
    recommendedVcpu: z.number().int().min(1).max(256).optional().describe("Virtual CPUs to give it."),
    recommendedMemoryMiB: z.number().int().min(1).max(1_048_576).optional().describe("Memory to give it, in MiB."),
    minimumMemoryMiB: z.number().int().min(1).max(1_048_576).optional().describe("Less memory does not do, in MiB."),
    minimumDiskMiB: z.number().int().min(1).max(16_777_216).optional().describe("Smallest root volume, in MiB."),
  })
  .describe("How the image is booted: becomes its labels dev.liquidmetal.*.");

const config = z
  .strictObject({
    entrypoint: z.array(z.string()).optional(),
    command: z.array(z.string()).optional(),
    environment: z.record(line, z.string()).optional(),
    user: line.optional(),
    workingDirectory: line.optional(),
  })
  .describe("The OCI image's own configuration; what is not said comes from the image below.");

/** The document with each layer still as a mapping; the fields of the layers are checked by their kinds. */
export interface RecipeHeader extends Omit<RecipeDocument, "layers"> {
  readonly layers: readonly Readonly<Record<string, unknown>>[];
}

const header = {
  name: line
    .max(200)
    .regex(recipeName, "must be lower case parts between slashes, as in node/kubernetes")
    .describe("The image is liquidmetal.local/<name>."),
  title: line.describe("What it is, in a few words."),
  description: text.optional().describe("What is in it and what it is for."),
  version: line.describe("Tag of the image. May hold variables, and facts.NAME of the steps."),
  date: date.describe("The age of the image and of every file in it that would be younger: RFC 3339."),
  licenses: line.optional().describe("An SPDX expression."),
  architectures: z
    .array(architecture)
    .min(1, "must name at least one architecture")
    .describe("The machines that it can be built for."),
  parameters: z.record(variable, parameter).optional().describe("Variables that the caller may set."),
  tables: z.array(table).optional().describe("Variables that follow from others, as versions that belong together."),
  from: from.optional(),
  labels: values.optional().describe("Labels of the image."),
  boot: boot.optional(),
  config: config.optional(),
  compression: z.enum(["zstd", "gzip"]).optional().describe("Of the layers. Default: zstd."),
};

export const recipeHeader: z.ZodType<RecipeHeader> = z.strictObject({
  ...header,
  layers: z.array(z.record(z.string(), z.unknown())).min(1, "must have at least one layer").max(120),
}) as unknown as z.ZodType<RecipeHeader>;

/** The whole language with the given kinds of steps, as editors are told it. */
export function recipeSchema(
  kinds: readonly { readonly name: string; readonly summary: string; readonly fields: z.ZodType }[],
): z.ZodType {
  const layers = kinds.map(({ name, summary, fields }) =>
    z.strictObject({ ...layerFields, [name]: fields.describe(summary) }),
  );
  return z.strictObject({
    ...header,
    layers: z.array(z.union(layers)).min(1).max(120).describe("From the bottom up, each one step."),
  });
}

/** What stands beside the kind of a layer. */
export const layerFields: {
  readonly name: z.ZodOptional<z.ZodString>;
  readonly architecture: z.ZodOptional<typeof architecture>;
} = {
  name: line.max(64).optional().describe("What it is called in progress and history. Default: the kind of the step."),
  architecture: architecture.optional().describe("Only for this architecture."),
};

function isRegularExpression(pattern: string): boolean {
  try {
    new RegExp(pattern, "u");
    return true;
  } catch {
    return false;
  }
}
