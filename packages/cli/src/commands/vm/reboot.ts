/** `lm vm reboot`. */
import type { Command } from "../../program/command.ts";
import { namesArgument, namespaceFlag, timeoutFlag, waitReadyFlag } from "./flags.ts";

export const command: Command = {
  path: ["vm", "reboot"],
  summary: "Reboot a microVM",
  positionals: [namesArgument],
  flags: [
    namespaceFlag,
    { name: "force", summary: "at once, without asking the guest" },
    waitReadyFlag,
    timeoutFlag("2m"),
  ],
  examples: ["lm vm reboot web"],
  run: async (invocation, session) =>
    (await import("../../microvm/act.ts")).actOnMicroVms("reboot", invocation, session),
};
