/** What a recipe says of a `go` step. */
import { z } from "zod";

const line = z
  .string()
  .min(1)
  .max(1024)
  .regex(/^[^\x00-\x1f\x7f]*$/, "must be one line, without control characters");
const modulePath = line.regex(
  /^[A-Za-z0-9.~_-]+(\/[A-Za-z0-9.~_-]+)*$/,
  "must be a module path, as in k8s.io/kubernetes",
);

export interface GoFields {
  readonly module?: string | undefined;
  readonly version?: string | undefined;
  readonly lock?: string | undefined;
  readonly source?: string | undefined;
  readonly binaries: Readonly<Record<string, string>>;
  readonly ldflags?: Readonly<Record<string, string>> | undefined;
  readonly tags?: readonly string[] | undefined;
}

export const fields: z.ZodType<GoFields> = z
  .strictObject({
    module: modulePath
      .optional()
      .describe("Path of a Go module that is fetched, as in k8s.io/kubernetes. With version and lock."),
    version: line
      .regex(/^v\d/, "must be a module version, as in v1.36.3")
      .optional()
      .describe("Version of the module, with its v."),
    lock: line
      .optional()
      .describe(
        "Folder with the go.mod and go.sum that state every module that is compiled, relative to the recipe. Written by 'lm image lock'.",
      ),
    source: line
      .optional()
      .describe(
        "Instead of module, version and lock: folder of a Go module of your own, relative to the recipe, or guest:NAME.",
      ),
    binaries: z
      .record(line, line.regex(/^(\.|\.\/\S*|[^\s./-]\S*)$/, "must be a package, as in ./cmd/kubelet or ."))
      .refine((binaries) => Object.keys(binaries).length > 0, "must name at least one program")
      .describe("Package by path in the image, as in usr/bin/kubelet: ./cmd/kubelet."),
    ldflags: z
      .record(line, z.string().max(1024))
      .optional()
      .describe("Values of string variables, by import path and name: what -ldflags '-X name=value' sets."),
    tags: z
      .array(line.regex(/^[\w.]+$/, "must be a build tag"))
      .max(64)
      .optional()
      .describe("Build tags."),
  })
  .superRefine((value, context) => {
    const foreign = [value.module, value.version, value.lock].filter((each) => each !== undefined).length;
    const complete = value.source === undefined ? foreign === 3 : foreign === 0;
    if (!complete) {
      context.addIssue({ code: "custom", message: "needs either module, version and lock, or source" });
    }
  });
