/** `lm _reference`: prints docs/cli.md. */
import type { Command } from "../../program/command.ts";

export const referenceCommand = (allCommands: () => Promise<readonly Command[]>): Command => ({
  path: ["_reference"],
  summary: "Print the reference page",
  hidden: true,
  positionals: [],
  flags: [],
  examples: [],
  run: async (_invocation, session) => {
    const { referencePage } = await import("../../reference/markdown.ts");
    session.print(referencePage(await allCommands()));
    return undefined;
  },
});
