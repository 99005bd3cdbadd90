/** `lm kubectl`. */
import type { Command } from "../../program/command.ts";
import { managementFlags } from "./flags.ts";

export const command: Command = {
  path: ["kubectl"],
  summary: "Run kubectl against a cluster, or the management cluster",
  description:
    "Runs the kubectl that came with the local platform's management plane, or else the one in PATH, with the kubeconfig of the cluster named by --cluster, or of " +
    "the management cluster without it. What follows -- is kubectl's.",
  positionals: [{ name: "ARGUMENT", summary: "what kubectl is to do, after --", required: false, repeatable: true }],
  flags: [
    {
      name: "cluster",
      value: "NAME",
      summary: "cluster meant",
      default: "the management cluster",
      complete: "cluster",
    },
    ...managementFlags,
  ],
  examples: [
    "lm kubectl --cluster demo -- get nodes -o wide",
    "lm kubectl --cluster demo -- apply -f app.yaml",
    "lm kubectl -- get machines -A",
  ],
  passThrough: true,
  run: async (invocation, session) => (await import("../../cluster/cluster-tools.ts")).runKubectl(invocation, session),
};
