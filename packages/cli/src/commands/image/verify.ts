/** `lm image verify`. */
import type { Command } from "../../program/command.ts";
import { buildFlags } from "./build-flags.ts";

export const command: Command = {
  path: ["image", "verify"],
  summary: "Check an image's digests, and boot it in a microVM until it is ready",
  description:
    "A root volume is booted with the host's kernel/distro (or --kernel), a kernel with base/tiny. The microVM is removed whatever comes of it, and so are images that " +
    "were brought to the host for it. When the guest does not get ready, the end of its console is shown.",
  positionals: [
    {
      name: "IMAGE",
      summary: "recipe, oci:DIR, oci-archive:FILE, or a reference on the host",
      required: true,
      complete: "recipe",
    },
  ],
  flags: [
    ...buildFlags,
    { name: "static", summary: "check digests only, boot nothing" },
    {
      name: "kernel",
      value: "REF",
      summary: "kernel to boot a root volume with: a reference on the host, or a recipe",
      default: "kernel/distro",
      complete: "image",
    },
    { name: "vcpu", value: "N", summary: "virtual processors", default: "as the image recommends, else 1" },
    { name: "memory", value: "SIZE", summary: "memory", default: "as the image recommends, else 512M" },
    { name: "timeout", value: "DURATION", summary: "how long the guest may take to get ready", default: "5m" },
  ],
  examples: [
    "lm image verify base/tiny",
    "lm image verify oci:out --kernel kernel/6.1",
    "lm image verify oci-archive:debian.tar --static",
  ],
  run: async (invocation, session) => {
    const [{ verifyImage }, { libraryBuilder }] = await Promise.all([
      import("../../image/verify.ts"),
      import("../../image/library-builder.ts"),
    ]);
    return verifyImage(invocation, session, libraryBuilder());
  },
};
