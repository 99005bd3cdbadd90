/** What a recipe says of files: each entry one path, and one of the things that can be there. */
import { z } from "zod";

const line = z.string().min(1, "must not be empty").max(1024);
const content = ["text", "source", "symlink", "directory", "device", "remove"] as const;

export interface FileEntry {
  readonly path: string;
  readonly text?: string | undefined;
  readonly source?: string | undefined;
  readonly symlink?: string | undefined;
  readonly directory?: true | undefined;
  readonly device?: DeviceEntry | undefined;
  readonly remove?: true | undefined;
  readonly mode?: string | undefined;
  readonly user?: number | undefined;
  readonly group?: number | undefined;
}

export interface DeviceEntry {
  readonly type: "character" | "block";
  readonly major: number;
  readonly minor: number;
}

const id = z.number().int().min(0).max(4_294_967_294);

export const fileEntries: z.ZodType<readonly FileEntry[]> = z
  .array(
    z
      .strictObject({
        path: line
          .max(4096)
          .refine((path) => !path.startsWith("/"), "must not begin with a slash: it is a path in the image")
          .refine((path) => !path.split("/").includes(".."), "must not hold ..")
          .refine((path) => /[^/.]/.test(path), "must name something below the root")
          .refine((path) => !path.includes("\0"), "must not hold a NUL")
          .describe("Path in the image, without a leading slash."),
        text: z.string().max(1_048_576).optional().describe("A file with this text."),
        source: line
          .optional()
          .describe(
            "A file or folder beside the recipe, or in the project's folder guest/ as guest:PATH. Folders are copied whole.",
          ),
        symlink: line.max(4095).optional().describe("A symbolic link to this target."),
        directory: z.literal(true).optional().describe("A directory."),
        device: z
          .strictObject({
            type: z.enum(["character", "block"]),
            major: z.number().int().min(0).max(4095),
            minor: z.number().int().min(0).max(1_048_575),
          })
          .optional()
          .describe("A device node."),
        remove: z.literal(true).optional().describe("What lies at this path below is gone."),
        mode: z
          .string()
          .regex(/^[0-7]{3,4}$/, 'must be octal digits as text, as in "0755"')
          .optional()
          .describe(
            'Permission bits, octal, as in "0755". Default: 0644, directories 0755, sources as they are on disk.',
          ),
        user: id.optional().describe("Numeric owner. Default 0."),
        group: id.optional().describe("Numeric group. Default 0."),
      })
      .superRefine((entry, check) => {
        const given = content.filter((key) => entry[key] !== undefined);
        if (given.length === 0) check.addIssue(`needs one of ${content.join(", ")}`);
        if (given.length > 1) check.addIssue(`has ${given.join(" and ")}: only one of them can be at one path`);
        const owned = entry.mode ?? entry.user ?? entry.group;
        if (entry.remove === true && owned !== undefined) check.addIssue("has nothing to own: it is removed");
      }),
  )
  .min(1, "must have at least one entry")
  .max(20_000);
