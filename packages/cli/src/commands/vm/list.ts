/** `lm vm list`: the microVMs of a namespace, or of all; `--watch` goes on. */
import type { Command } from "../../program/command.ts";
import { namespaceFlag } from "./flags.ts";

export const command: Command = {
  path: ["vm", "list"],
  summary: "List microVMs",
  positionals: [],
  flags: [
    { name: "all-namespaces", short: "A", summary: "of all namespaces" },
    { ...namespaceFlag, default: "the context's, else default" },
    {
      name: "selector",
      short: "l",
      value: "SELECTOR",
      summary: "only those with these labels (a=b,c!=d,e in (x,y),!f)",
    },
    { name: "watch", short: "w", summary: "go on and print every change" },
  ],
  examples: ["lm vm list -A", "lm vm list -l role=web -o json", "lm vm list --watch"],
  run: async (invocation, session) => (await import("../../microvm/list.ts")).listMicroVms(invocation, session),
};
