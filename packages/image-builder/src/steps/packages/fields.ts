/** What a recipe says of the files that it takes out of Debian packages. */
import { z } from "zod";

export interface PackagesFields {
  readonly anyOf: readonly (readonly string[])[];
  readonly only?: readonly string[] | undefined;
  readonly suite?: string | undefined;
  readonly sources?: string | undefined;
  readonly files: Readonly<Record<string, string>>;
  readonly libraries?: boolean | undefined;
  readonly applets?: AppletLinks | undefined;
  readonly copyrights?: boolean | undefined;
}

export interface AppletLinks {
  readonly program: string;
  readonly directory: string;
  readonly except?: readonly string[] | undefined;
}

const inside = (path: string): boolean =>
  !path.startsWith("/") && !path.split("/").includes("..") && !path.includes("\0");
const imagePath = z.string().min(1).max(4096).refine(inside, "must be a path in the image: no leading slash, no ..");

/** Debian policy 5.6.1, and apt's patterns, as in `?essential`. */
export const packageName: z.ZodType<string> = z
  .string()
  .regex(
    /^([a-z0-9][a-z0-9+.-]+|\?[a-z-]+(\([a-z-]+\))?)$/,
    "must be the name of a package, or a pattern of apt as in ?essential",
  );

export const suiteField: z.ZodType<string | undefined> = z
  .string()
  .regex(/^[a-z][a-z0-9.-]*$/, "must be a code name as in bookworm")
  .optional()
  .describe(
    "Code name of the release, as in bookworm: only its sources, updates and security updates count. Default: all of the machine's sources.",
  );

export const sourcesField: z.ZodType<string | undefined> = z
  .string()
  .max(4096)
  .optional()
  .describe(
    "A file of package sources in apt's format (.list or .sources, with signed-by) to use instead of the machine's. Empty = the machine's.",
  );

export const packagesFields: z.ZodType<PackagesFields> = z.strictObject({
  anyOf: z
    .array(z.array(packageName).min(1).max(500))
    .min(1)
    .max(20)
    .describe("Sets of packages: the first whose packages are all there is used. What they depend on is added."),
  only: z
    .array(z.string().min(1))
    .min(1)
    .optional()
    .describe("Names (with * and ?) of those packages that are downloaded at all. Default: all, dependencies too."),
  suite: suiteField,
  sources: sourcesField,
  files: z
    .record(imagePath, imagePath)
    .describe(
      "Path in the packages, as in a system with merged /usr: its path in the image. A directory comes with all that lies in it. " +
        "With * ? ** the value is a folder, and paths keep what follows the part before the first wildcard; '.' is the image's root.",
    ),
  libraries: z
    .boolean()
    .optional()
    .describe(
      "Adds the shared libraries that the chosen programs need, to usr/lib, and their loader, with the link lib64. Default false.",
    ),
  applets: z
    .strictObject({
      program: imagePath.describe("The chosen busybox, by its path in the image."),
      directory: imagePath.describe("Where the links go."),
      except: z.array(z.string()).optional().describe("Applets that something else provides."),
    })
    .optional()
    .describe("Lays a link for each applet of a busybox. The list is read from the binary, which is not run."),
  copyrights: z
    .boolean()
    .optional()
    .describe("Adds usr/share/doc/<package>/copyright of every package that gave a file. Default true."),
});
