/** `lm vm pause`. */
import type { Command } from "../../program/command.ts";
import { namesArgument, namespaceFlag, timeoutFlag, waitDoneFlag } from "./flags.ts";

export const command: Command = {
  path: ["vm", "pause"],
  summary: "Stop a microVM's processors, keeping its memory",
  positionals: [namesArgument],
  flags: [namespaceFlag, waitDoneFlag, timeoutFlag("2m")],
  examples: ["lm vm pause web"],
  run: async (invocation, session) =>
    (await import("../../microvm/act.ts")).actOnMicroVms("pause", invocation, session),
};
