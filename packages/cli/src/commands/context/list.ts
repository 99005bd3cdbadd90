/** `lm context list`. */
import type { Command } from "../../program/command.ts";

export const command: Command = {
  path: ["context", "list"],
  summary: "List the named hosts of the configuration file",
  positionals: [],
  flags: [],
  examples: ["lm context list"],
  run: async (_invocation, session) => {
    const { readContexts } = await import("../../context/context-file.ts");
    const { printList } = await import("../../output/print.ts");
    const file = await readContexts(session.terminal.env);
    await printList(session, file.contexts, {
      columns: [
        { header: "CURRENT", value: (each) => (each.name === file.current ? "*" : "") },
        { header: "NAME", value: (each) => each.name },
        { header: "HOST", value: (each) => each.host },
        { header: "NAMESPACE", value: (each) => each.namespace ?? "-" },
      ],
      json: (each) => ({
        name: each.name,
        host: each.host,
        namespace: each.namespace ?? null,
        current: each.name === file.current,
      }),
      name: (each) => each.name,
    });
    if (file.contexts.length === 0)
      session.note("No contexts; the local platform is used. Make one with 'lm context set'.");
    return undefined;
  },
};
