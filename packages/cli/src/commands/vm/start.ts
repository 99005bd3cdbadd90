/** `lm vm start`. */
import type { Command } from "../../program/command.ts";
import { namesArgument, namespaceFlag, timeoutFlag, waitReadyFlag } from "./flags.ts";

export const command: Command = {
  path: ["vm", "start"],
  summary: "Start a stopped microVM",
  description: "Also retries a failed microVM at once.",
  positionals: [namesArgument],
  flags: [namespaceFlag, waitReadyFlag, timeoutFlag("2m")],
  examples: ["lm vm start web"],
  run: async (invocation, session) =>
    (await import("../../microvm/act.ts")).actOnMicroVms("start", invocation, session),
};
