/** `lm context remove`. */
import type { Command } from "../../program/command.ts";

export const command: Command = {
  path: ["context", "remove"],
  summary: "Forget a named host",
  positionals: [{ name: "NAME", summary: "name of the context", required: true, complete: "context" }],
  flags: [],
  examples: ["lm context remove rack1"],
  run: async (invocation, session) => (await import("../../context/edit.ts")).removeContext(invocation, session),
};
