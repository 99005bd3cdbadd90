/** `lm vm stop`. */
import type { Command } from "../../program/command.ts";
import { namesArgument, namespaceFlag, timeoutFlag, waitDoneFlag } from "./flags.ts";

export const command: Command = {
  path: ["vm", "stop"],
  summary: "Power a microVM off",
  description: "Asks the guest to power off, and forces it after a while; its volumes and addresses are kept.",
  positionals: [namesArgument],
  flags: [
    namespaceFlag,
    { name: "force", summary: "at once, without asking the guest" },
    waitDoneFlag,
    timeoutFlag("2m"),
  ],
  examples: ["lm vm stop web"],
  run: async (invocation, session) => (await import("../../microvm/act.ts")).actOnMicroVms("stop", invocation, session),
};
