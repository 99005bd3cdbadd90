/** `lm cluster describe`. */
import type { Command } from "../../program/command.ts";
import { managementFlags, nameArgument } from "./flags.ts";

export const command: Command = {
  path: ["cluster", "describe"],
  summary: "Show a cluster as a tree, with what it waits for",
  description:
    "Shows the cluster, its infrastructure, its control plane and its workers with their machines: how each stands, since when, and why. " +
    "What is to be looked at first stands below, in a sentence.",
  positionals: [nameArgument],
  flags: [
    { name: "watch", short: "w", summary: "go on and show every change" },
    { name: "conditions", summary: "all conditions of every object (as -o wide)" },
    ...managementFlags,
  ],
  examples: ["lm cluster describe demo", "lm cluster describe demo --watch", "lm cluster describe demo -o json"],
  run: async (invocation, session) => (await import("../../cluster/describe.ts")).describeCluster(invocation, session),
};
