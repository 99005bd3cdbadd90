/** `lm down`. */
import type { Command } from "../../program/command.ts";

export const command: Command = {
  path: ["down"],
  summary: "Take the embedded platform down",
  description:
    "Powers the guests off, ends the platform's processes and takes its network away. The data stays: 'lm up' brings all of it back, the guests included. With --delete nothing is left.",
  positionals: [],
  flags: [
    { name: "name", value: "NAME", summary: "name of the platform (as --platform)" },
    { name: "state-dir", value: "DIR", summary: "data", default: "/var/lib/liquidmetal", complete: "file" },
    { name: "run-dir", value: "DIR", summary: "sockets", default: "/run/liquidmetal", complete: "file" },
    { name: "delete", summary: "delete the microVMs, the images and everything else as well" },
    { name: "yes", short: "y", summary: "do not ask" },
  ],
  examples: ["lm down", "lm down --delete --yes"],
  run: async (invocation, session) => (await import("../../platform/down.ts")).downPlatform(invocation, session),
};
