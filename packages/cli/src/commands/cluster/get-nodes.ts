/** `lm cluster get-nodes`. */
import type { Command } from "../../program/command.ts";
import { managementFlags, nameArgument } from "./flags.ts";

export const command: Command = {
  path: ["cluster", "get-nodes"],
  summary: "List the nodes of a cluster, with machine and host of each",
  positionals: [nameArgument],
  flags: [...managementFlags],
  examples: ["lm cluster get-nodes demo", "lm cluster get-nodes demo -o wide"],
  run: async (invocation, session) => (await import("../../cluster/nodes.ts")).getNodes(invocation, session),
};
