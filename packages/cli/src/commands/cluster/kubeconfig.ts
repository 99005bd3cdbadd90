/** `lm cluster kubeconfig`. */
import type { Command } from "../../program/command.ts";
import { managementFlags, nameArgument } from "./flags.ts";

export const command: Command = {
  path: ["cluster", "kubeconfig"],
  summary: "Print or merge a cluster's kubeconfig",
  description:
    "Prints the administrator's kubeconfig of a cluster. With --merge it goes into the file that kubectl uses (KUBECONFIG, else ~/.kube/config): every other entry stays, " +
    "what was there is kept beside it in FILE.lm-backup, and an entry of the same name that is another cluster's is not replaced.",
  positionals: [nameArgument],
  flags: [
    { name: "merge", summary: "into the file that kubectl uses" },
    { name: "use", summary: "with --merge: make it the current context" },
    { name: "overwrite", summary: "with --merge: replace entries of the same name that are another cluster's" },
    { name: "out", value: "FILE", summary: "into a file of its own, for you only", complete: "file" },
    {
      name: "name",
      value: "NAME",
      summary: "name of the context, the cluster and (with -admin) the user",
      default: "Cluster API's: NAME-admin@NAME",
    },
    ...managementFlags,
  ],
  examples: [
    "lm cluster kubeconfig demo > demo.yaml",
    "lm cluster kubeconfig demo --merge --use",
    "lm cluster kubeconfig demo --out demo.yaml && KUBECONFIG=demo.yaml kubectl get nodes",
  ],
  run: async (invocation, session) =>
    (await import("../../cluster/kubeconfig.ts")).clusterKubeconfig(invocation, session),
};
