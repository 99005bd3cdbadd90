/** `lm vm pause`. */
import type { Command } from "../../program/command.ts";
import { namesArgument, namespaceFlag, timeoutFlag } from "./flags.ts";

export const command: Command = {
  path: ["vm", "pause"],
  summary: "Stop a microVM's processors, keeping its memory",
  positionals: [namesArgument],
  flags: [
    namespaceFlag,
    {
      name: "wait",
      value: "false",
      valueOptional: true,
      summary: "wait until it is done, or not at all",
      default: "until it is done",
    },
    timeoutFlag("2m"),
  ],
  examples: ["lm vm pause web"],
  run: async (invocation, session) =>
    (await import("../../microvm/act.ts")).actOnMicroVms("pause", invocation, session),
};
