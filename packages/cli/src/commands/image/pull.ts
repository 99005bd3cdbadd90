/** `lm image pull`. */
import type { Command } from "../../program/command.ts";

export const command: Command = {
  path: ["image", "pull"],
  summary: "Pull an image from its registry to the host",
  positionals: [{ name: "REF", summary: "image reference", required: true }],
  flags: [],
  examples: ["lm image pull registry.local/debian:12"],
  run: async (invocation, session) => (await import("../../image/transfer.ts")).pullImage(invocation, session),
};
