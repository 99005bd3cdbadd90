/** `lm vm delete`: microVMs and everything they own. */
import type { Command } from "../../program/command.ts";
import { namesArgument, namespaceFlag, timeoutFlag } from "./flags.ts";

export const command: Command = {
  path: ["vm", "delete"],
  summary: "Delete microVMs with their volumes",
  description:
    "Deletes microVMs, and waits until they are gone. What is gone already is an error (exit code 3) unless --ignore-not-found is given.",
  positionals: [{ ...namesArgument, required: false }],
  flags: [
    namespaceFlag,
    { name: "all", summary: "all microVMs of the namespace given with -n" },
    { name: "selector", short: "l", value: "SELECTOR", summary: "with --all: only those with these labels" },
    { name: "yes", short: "y", summary: "do not ask" },
    { name: "ignore-not-found", summary: "succeed when there is nothing to delete" },
    { name: "wait", value: "false", valueOptional: true, summary: "wait until they are gone, or not", default: "true" },
    timeoutFlag("2m"),
  ],
  examples: ["lm vm delete web db", "lm vm delete --all -n test --yes"],
  run: async (invocation, session) => (await import("../../microvm/delete.ts")).deleteMicroVms(invocation, session),
};
