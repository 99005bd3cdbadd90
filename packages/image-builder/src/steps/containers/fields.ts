/** What a recipe says of the container images that its store is to hold. */
import { z } from "zod";

export interface ContainersFields {
  readonly store: string;
  readonly images: readonly ContainerEntry[];
  readonly namesFrom?: "kubeadm" | undefined;
  readonly kubeadm?: string | undefined;
  readonly sandboxConfiguration?: string | undefined;
}

export interface ContainerEntry {
  readonly recipe: string;
  readonly parameters?: Readonly<Record<string, string>> | undefined;
  readonly name?: string | undefined;
  readonly pinned?: boolean | undefined;
}

const imagePath = z
  .string()
  .min(1, "must not be empty")
  .max(1024)
  .refine((path) => !path.startsWith("/"), "must not begin with a slash: it is a path in the image")
  .refine((path) => !path.split("/").includes(".."), "must not hold ..");

export const defaultKubeadm = "usr/bin/kubeadm";

export const containersFields: z.ZodType<ContainersFields> = z
  .strictObject({
    store: imagePath.describe("containerd's root in the image, as in var/lib/containerd."),
    images: z
      .array(
        z.strictObject({
          recipe: z
            .string()
            .min(1, "must not be empty")
            .max(1024)
            .describe("The recipe of the container image, as in node/containers/etcd or ./etcd.yaml."),
          parameters: z.record(z.string(), z.string()).optional().describe("Its parameters."),
          name: z
            .string()
            .regex(/^[a-z0-9][a-z0-9._:/-]*:[A-Za-z0-9_][A-Za-z0-9._-]*$/, "must be a whole reference with a tag")
            .max(512)
            .optional()
            .describe(
              "What pods call it, with its tag. Absent = the name that namesFrom gives for the recipe's last word.",
            ),
          pinned: z
            .boolean()
            .optional()
            .describe(
              "Whether the kubelet leaves it alone when the disk is full. Default true: what came with the image cannot be fetched again where there is no registry.",
            ),
        }),
      )
      .min(1, "must have at least one image")
      .max(200)
      .describe("The images that are in the store, unpacked, when the machine starts."),
    namesFrom: z
      .literal("kubeadm")
      .optional()
      .describe("Ask the kubeadm of the layers below for the names that it will look for."),
    kubeadm: imagePath.optional().describe(`Where kubeadm lies in the layers below. Default ${defaultKubeadm}.`),
    sandboxConfiguration: imagePath
      .optional()
      .describe(
        "Path of a piece of containerd configuration (version 3) to be written, which names the pause image as the sandbox.",
      ),
  })
  .superRefine((fields, check) => {
    const unnamed = fields.images.findIndex(({ name }) => name === undefined);
    if (unnamed >= 0 && fields.namesFrom === undefined) {
      check.addIssue({
        code: "custom",
        path: ["images", unnamed],
        message: "needs a name, or namesFrom: kubeadm beside images",
      });
    }
    const named = fields.images.flatMap(({ name }) => name ?? []);
    const twice = named.find((name, index) => named.indexOf(name) !== index);
    if (twice !== undefined)
      check.addIssue({ code: "custom", path: ["images"], message: `has two images named ${twice}` });
  });
