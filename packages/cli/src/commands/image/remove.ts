/** `lm image remove`. */
import type { Command } from "../../program/command.ts";

export const command: Command = {
  path: ["image", "remove"],
  summary: "Remove images from the host",
  positionals: [{ name: "REF", summary: "image reference", required: true, repeatable: true, complete: "image" }],
  flags: [],
  examples: ["lm image remove registry.local/debian:12"],
  run: async (invocation, session) => {
    const host = await session.host();
    for (const reference of invocation.positionals) {
      await host.removeImage(reference, { signal: session.signal });
      session.print(session.format === "json" ? JSON.stringify({ reference }) : reference);
    }
    return undefined;
  },
};
