/** `lm image lock`. */
import type { Command } from "../../program/command.ts";

export const command: Command = {
  path: ["image", "lock"],
  summary: "Write the lock files of a Go program that a recipe compiles",
  description:
    "go.mod and go.sum with the digest of every module that goes into the named packages, checked against the checksum database as Go is configured. " +
    "A recipe's step go names their folder; what the lock does not say is refused when it is built.",
  positionals: [
    { name: "MODULE", summary: "Go module and version, as in k8s.io/kubernetes@v1.36.3", required: true },
    { name: "PACKAGE", summary: "what is compiled, as in ./cmd/kubelet", required: true, repeatable: true },
  ],
  flags: [
    { name: "directory", value: "DIR", summary: "where go.mod and go.sum are written", complete: "file" },
    { name: "tag", value: "TAG", repeatable: true, summary: "build tag that the recipe uses" },
  ],
  examples: [
    "lm image lock k8s.io/kubernetes@v1.36.4 ./cmd/kubelet ./cmd/kubeadm --directory images/node/locks/kubernetes-1.36.4",
  ],
  run: async (invocation, session) => {
    const [{ lockModule }, { libraryBuilder }] = await Promise.all([
      import("../../image/lock.ts"),
      import("../../image/library-builder.ts"),
    ]);
    return lockModule(invocation, session, libraryBuilder());
  },
};
