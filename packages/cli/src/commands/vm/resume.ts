/** `lm vm resume`. */
import type { Command } from "../../program/command.ts";
import { namesArgument, namespaceFlag, timeoutFlag } from "./flags.ts";

export const command: Command = {
  path: ["vm", "resume"],
  summary: "Let a paused microVM run on",
  positionals: [namesArgument],
  flags: [
    namespaceFlag,
    {
      name: "wait",
      value: "ready|false",
      valueOptional: true,
      summary: "wait until it is done, until the guest is ready, or not at all",
      default: "until it is done",
    },
    timeoutFlag("2m"),
  ],
  examples: ["lm vm resume web"],
  run: async (invocation, session) =>
    (await import("../../microvm/act.ts")).actOnMicroVms("resume", invocation, session),
};
