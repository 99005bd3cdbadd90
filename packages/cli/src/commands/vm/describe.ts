/** `lm vm describe`: everything about one microVM that a person wants to know, and its last events. */
import type { Command } from "../../program/command.ts";
import { nameArgument, namespaceFlag } from "./flags.ts";

export const command: Command = {
  path: ["vm", "describe"],
  summary: "Show a microVM in full, with its last events",
  positionals: [nameArgument],
  flags: [namespaceFlag],
  examples: ["lm vm describe web"],
  run: async (invocation, session) => (await import("../../microvm/describe.ts")).describeMicroVm(invocation, session),
};
