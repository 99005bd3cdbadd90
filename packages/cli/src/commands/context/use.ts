/** `lm context use`. */
import type { Command } from "../../program/command.ts";

export const command: Command = {
  path: ["context", "use"],
  summary: "Make a named host the current one",
  positionals: [
    { name: "NAME", summary: "name of the context; - for the local platform", required: true, complete: "context" },
  ],
  flags: [],
  examples: ["lm context use rack1", "lm context use -"],
  run: async (invocation, session) => (await import("../../context/edit.ts")).useContext(invocation, session),
};
