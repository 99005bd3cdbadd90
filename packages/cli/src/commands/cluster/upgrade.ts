/** `lm cluster upgrade`. */
import type { Command } from "../../program/command.ts";
import { imageFlags, managementFlags, nameArgument, timeoutFlag, waitFlag } from "./flags.ts";

export const command: Command = {
  path: ["cluster", "upgrade"],
  summary: "Bring a cluster to another version of Kubernetes",
  description:
    "Brings the control plane to the version, waits until it is there, and then the workers: machines are replaced one after the other. Versions that skip a minor and older ones are refused, " +
    "and so is a version that the local platform has no node image of. The same command again goes on with an upgrade that was cut off.",
  positionals: [nameArgument],
  flags: [
    { name: "kubernetes-version", value: "VERSION", summary: "the new one, as in v1.36.3" },
    ...imageFlags.map((flag) => (flag.name === "kernel" ? { ...flag, default: "the one in use" } : flag)),
    ...managementFlags,
    { ...waitFlag, summary: "wait for the workers, too" },
    timeoutFlag("1h"),
  ],
  examples: ["lm cluster upgrade demo --kubernetes-version v1.37.0 --wait"],
  run: async (invocation, session) => (await import("../../cluster/upgrade.ts")).upgradeCluster(invocation, session),
};
