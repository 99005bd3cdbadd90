/** `lm cluster list`. */
import type { Command } from "../../program/command.ts";
import { managementFlags } from "./flags.ts";

export const command: Command = {
  path: ["cluster", "list"],
  summary: "List Kubernetes clusters",
  positionals: [],
  flags: [{ name: "all-namespaces", short: "A", summary: "of all namespaces" }, ...managementFlags],
  examples: ["lm cluster list -A", "lm cluster list -o wide", "lm cluster list --kubeconfig mgmt.yaml -o json"],
  run: async (invocation, session) => (await import("../../cluster/list.ts")).listClusters(invocation, session),
};
