/** `lm image list`. */
import type { Command } from "../../program/command.ts";

export const command: Command = {
  path: ["image", "list"],
  summary: "List the images on the host",
  positionals: [],
  flags: [],
  examples: ["lm image list"],
  run: async (_invocation, session) => {
    const { imagePresentation } = await import("../../image/view.ts");
    const { printList } = await import("../../output/print.ts");
    const images = await (await session.host()).images({ signal: session.signal });
    await printList(session, images, imagePresentation(session.clock.nowMs()));
    if (images.length === 0 && session.format === "table")
      session.note("No images; bring some with 'lm image pull' or 'lm image import'.");
    return undefined;
  },
};
