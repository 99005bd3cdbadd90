/** `lm image push`. */
import type { Command } from "../../program/command.ts";
import { buildFlags, registryFlags } from "./build-flags.ts";

export const command: Command = {
  path: ["image", "push"],
  summary: "Push an image to a registry, with what is attached to it",
  description:
    "Credentials are those of docker and podman on this machine; blobs that the registry has are not sent again. The name in the registry appears last, " +
    "when everything that it means is there.",
  positionals: [
    {
      name: "SOURCE",
      summary: "recipe that is built, oci:DIR, or oci-archive:FILE",
      required: true,
      complete: "recipe",
    },
    { name: "REF", summary: "name in the registry", required: true },
  ],
  flags: [...buildFlags, ...registryFlags],
  examples: [
    "lm image push base/debian-12 registry.local/base/debian:12",
    "lm image push oci:out registry.local/team/appliance:1",
  ],
  run: async (invocation, session) => {
    const [{ pushImage }, { libraryBuilder }] = await Promise.all([
      import("../../image/push.ts"),
      import("../../image/library-builder.ts"),
    ]);
    return pushImage(invocation, session, libraryBuilder());
  },
};
