/** `lm host get`. */
import type { Command } from "../../program/command.ts";

export const command: Command = {
  path: ["host", "get"],
  summary: "Show the host: capacity, hypervisors, features",
  positionals: [],
  flags: [],
  examples: ["lm host get", "lm host get -o json"],
  run: async (_invocation, session) => {
    const { hostPresentation, describeHost } = await import("../../host/view.ts");
    const { printOne } = await import("../../output/print.ts");
    const facts = await (await session.host()).host({ signal: session.signal });
    await printOne(session, facts, hostPresentation, describeHost);
    return undefined;
  },
};
