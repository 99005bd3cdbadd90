/** `lm clusterctl`. */
import type { Command } from "../../program/command.ts";
import { managementFlags } from "./flags.ts";

export const command: Command = {
  path: ["clusterctl"],
  summary: "Run clusterctl against the management cluster",
  description:
    "Runs the clusterctl that came with the local platform's management plane, or else the one in PATH, with the management cluster's kubeconfig. What follows -- is clusterctl's.",
  positionals: [{ name: "ARGUMENT", summary: "what clusterctl is to do, after --", required: false, repeatable: true }],
  flags: managementFlags,
  examples: ["lm clusterctl -- describe cluster demo", "lm clusterctl -- get kubeconfig demo"],
  passThrough: true,
  run: async (invocation, session) =>
    (await import("../../cluster/cluster-tools.ts")).runClusterctl(invocation, session),
};
