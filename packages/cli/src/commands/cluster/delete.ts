/** `lm cluster delete`. */
import type { Command } from "../../program/command.ts";
import { managementFlags, nameArgument, timeoutFlag } from "./flags.ts";

export const command: Command = {
  path: ["cluster", "delete"],
  summary: "Delete a cluster with its microVMs",
  description:
    "Deletes a cluster, its machines and everything on them, and waits until all of it is gone, showing what is waited for. " +
    "What is gone already is an error (exit code 3) unless --ignore-not-found is given.",
  positionals: [nameArgument],
  flags: [
    { name: "yes", short: "y", summary: "do not ask" },
    { name: "ignore-not-found", summary: "succeed when there is nothing to delete" },
    { name: "wait", value: "false", valueOptional: true, summary: "wait until it is gone, or not", default: "true" },
    ...managementFlags,
    timeoutFlag("15m"),
  ],
  examples: ["lm cluster delete demo", "lm cluster delete demo --yes --wait=false"],
  run: async (invocation, session) => (await import("../../cluster/delete.ts")).deleteCluster(invocation, session),
};
