/** `lm image inspect`. */
import type { Command } from "../../program/command.ts";

export const command: Command = {
  path: ["image", "inspect"],
  summary: "Show one image",
  positionals: [{ name: "REF", summary: "image reference", required: true, complete: "image" }],
  flags: [],
  examples: ["lm image inspect registry.local/debian:12 -o json"],
  run: async (invocation, session) => {
    const { imagePresentation, describeImage } = await import("../../image/view.ts");
    const { printOne } = await import("../../output/print.ts");
    const host = await session.host();
    const image = await host.inspectImage(invocation.positionals[0] ?? "", { signal: session.signal });
    await printOne(session, image, imagePresentation(session.clock.nowMs()), describeImage);
    return undefined;
  },
};
