/** `lm image inspect`. */
import type { Command } from "../../program/command.ts";
import { buildFlags, registryFlags } from "./build-flags.ts";

export const command: Command = {
  path: ["image", "inspect"],
  summary: "Show one image",
  description:
    "An image on the host as the host knows it; an image in files, in a registry, or one that was built from a recipe here, with its platforms, layers, labels, how it boots and what is attached to it.",
  positionals: [
    {
      name: "IMAGE",
      summary: "reference on the host, recipe that is built, oci:DIR, oci-archive:FILE, or registry:REF",
      required: true,
      complete: "image",
    },
  ],
  flags: [
    ...buildFlags,
    ...registryFlags,
    { name: "sbom", summary: "print the SPDX document of what is in it" },
    { name: "provenance", summary: "print the SLSA statement of what it was made of" },
  ],
  examples: [
    "lm image inspect registry.local/debian:12 -o json",
    "lm image inspect base/tiny",
    "lm image inspect oci:out --sbom",
    "lm image inspect registry:registry.local/team/appliance:1",
  ],
  run: async (invocation, session) => {
    const [{ inspectImage }, { libraryBuilder }] = await Promise.all([
      import("../../image/inspect.ts"),
      import("../../image/library-builder.ts"),
    ]);
    return inspectImage(invocation, session, libraryBuilder());
  },
};
