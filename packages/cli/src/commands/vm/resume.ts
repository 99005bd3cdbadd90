/** `lm vm resume`. */
import type { Command } from "../../program/command.ts";
import { namesArgument, namespaceFlag, timeoutFlag, waitReadyFlag } from "./flags.ts";

export const command: Command = {
  path: ["vm", "resume"],
  summary: "Let a paused microVM run on",
  positionals: [namesArgument],
  flags: [namespaceFlag, waitReadyFlag, timeoutFlag("2m")],
  examples: ["lm vm resume web"],
  run: async (invocation, session) =>
    (await import("../../microvm/act.ts")).actOnMicroVms("resume", invocation, session),
};
