/** `lm cluster scale`. */
import type { Command } from "../../program/command.ts";
import { managementFlags, nameArgument, timeoutFlag, waitFlag } from "./flags.ts";

export const command: Command = {
  path: ["cluster", "scale"],
  summary: "Change how many machines a cluster has",
  positionals: [nameArgument],
  flags: [
    { name: "control-plane", value: "COUNT", summary: "control planes: 1, 3, 5 …" },
    { name: "workers", value: "COUNT", summary: "workers, where there is one pool of them" },
    { name: "pool", value: "NAME=COUNT", summary: "workers of one pool", repeatable: true },
    ...managementFlags,
    waitFlag,
    timeoutFlag("30m"),
  ],
  examples: [
    "lm cluster scale demo --workers 3 --wait",
    "lm cluster scale demo --control-plane 3",
    "lm cluster scale demo --pool md-0=2 --pool gpu=1",
  ],
  run: async (invocation, session) => (await import("../../cluster/scale.ts")).scaleCluster(invocation, session),
};
