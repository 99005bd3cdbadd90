/** `lm vm console`: the guest's serial console. */
import type { Command } from "../../program/command.ts";
import { nameArgument, namespaceFlag } from "./flags.ts";

export const command: Command = {
  path: ["vm", "console"],
  summary: "Attach to a microVM's serial console",
  description:
    "Attaches this terminal to the guest's serial console; Ctrl-] leaves. With standard input from a pipe, the input is typed into the console and " +
    "the output goes on until the guest ends, the timeout passes, or Ctrl-C.",
  positionals: [nameArgument],
  flags: [namespaceFlag, { name: "timeout", value: "DURATION", summary: "leave after this time", default: "never" }],
  examples: ["lm vm console web", "echo uptime | lm vm console web --timeout 5s"],
  run: async (invocation, session) => (await import("../../microvm/console.ts")).attachConsole(invocation, session),
};
