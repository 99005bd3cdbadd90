/** `lm version`. */
import type { Command } from "../../program/command.ts";

export const command: Command = {
  path: ["version"],
  summary: "Show the versions of this program and of the host",
  positionals: [],
  flags: [{ name: "client", summary: "of this program only; asks no host" }],
  examples: ["lm version", "lm version --client -o json"],
  run: async (invocation, session) => (await import("../../host/version.ts")).showVersions(invocation, session),
};
