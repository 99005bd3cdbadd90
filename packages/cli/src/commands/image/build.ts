/** `lm image build`. */
import type { Command } from "../../program/command.ts";
import { buildFlags, registryFlags } from "./build-flags.ts";

export const command: Command = {
  path: ["image", "build"],
  summary: "Build an image from a recipe",
  description:
    "Builds what the recipe declares, layer by layer; a layer whose inputs did not change is taken from the cache. The image is kept in the cache, " +
    "where other recipes and 'lm image verify' find it; every --output is one more place that it is brought to. " +
    "Same recipe, same inputs, same digest. Interrupted builds leave nothing half done, and go on where they were. docs/images.md tells how recipes are written.",
  positionals: [
    {
      name: "RECIPE",
      summary: "name of a shipped recipe (lm image recipes), or a YAML file",
      required: true,
      complete: "recipe",
    },
  ],
  flags: [
    ...buildFlags,
    {
      name: "platform",
      value: "PLATFORM",
      replacesGlobal: true,
      repeatable: true,
      summary:
        "linux/amd64, linux/arm64, or both with a comma: several make one image with an index. A name without a slash means the local platform, as everywhere",
      default: "this machine's",
    },
    {
      name: "output",
      short: "o",
      value: "WHERE",
      replacesGlobal: true,
      repeatable: true,
      joins: ["registry"],
      summary:
        "oci:DIR, oci-archive:FILE, ext4:FILE (a root volume), containerd (the host) or registry:REF; also table, wide, json, yaml, name: the form of the result",
      default: "the cache only; table",
    },
    { name: "reference", value: "NAME", repeatable: true, summary: "name of the image in its outputs" },
    ...registryFlags,
    { name: "force", summary: "replace outputs that exist" },
    { name: "plan", summary: "say what would be built and what is cached, and build nothing" },
    { name: "rebuild", summary: "make every layer again" },
  ],
  examples: [
    "lm image build base/tiny --output containerd",
    "lm image build node/kubernetes --set kubernetes=1.36.3 --plan",
    "lm image build ./appliance.yaml --output oci:out --output registry:registry.local/team/appliance:1",
    "lm image build base/tiny --platform linux/amd64,linux/arm64 --output oci-archive:tiny.tar",
  ],
  run: async (invocation, session) => {
    const [{ buildImage }, { libraryBuilder }] = await Promise.all([
      import("../../image/build.ts"),
      import("../../image/library-builder.ts"),
    ]);
    return buildImage(invocation, session, libraryBuilder());
  },
};
