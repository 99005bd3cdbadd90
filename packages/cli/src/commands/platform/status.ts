/** `lm status`. */
import type { Command } from "../../program/command.ts";

export const command: Command = {
  path: ["status"],
  summary: "Show the parts of the embedded platform",
  description: "Exit code 0 when all parts are healthy, 1 when not, 3 when there is no platform.",
  positionals: [],
  flags: [
    { name: "name", value: "NAME", summary: "name of the platform (as --platform)" },
    { name: "state-dir", value: "DIR", summary: "data", default: "/var/lib/liquidmetal", complete: "file" },
    { name: "run-dir", value: "DIR", summary: "sockets", default: "/run/liquidmetal", complete: "file" },
  ],
  examples: ["lm status", "lm status -o json"],
  run: async (invocation, session) => (await import("../../platform/status.ts")).showStatus(invocation, session),
};
