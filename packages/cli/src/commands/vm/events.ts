/** `lm vm events`: what happened. */
import type { Command } from "../../program/command.ts";
import { namespaceFlag } from "./flags.ts";

export const command: Command = {
  path: ["vm", "events"],
  summary: "Show what happened to a microVM, or to all",
  positionals: [{ name: "NAME", summary: "NAME, NAMESPACE/NAME or uid; all without", required: false, complete: "vm" }],
  flags: [
    namespaceFlag,
    { name: "follow", short: "f", summary: "go on with what happens" },
    { name: "limit", value: "COUNT", summary: "the last events only" },
  ],
  examples: ["lm vm events web", "lm vm events -f"],
  run: async (invocation, session) => (await import("../../microvm/events.ts")).showEvents(invocation, session),
};
