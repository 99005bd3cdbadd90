/** `lm image cache`. */
import type { Command } from "../../program/command.ts";
import { cacheFlag } from "./build-flags.ts";

export const command: Command = {
  path: ["image", "cache"],
  summary: "List or prune what the image builder keeps",
  description:
    "ls: built images and layers, the least recently used last. prune: removes what was used longest ago until the rest fits in --max-size, what was not used for " +
    "--older-than, or --all. What a running build needs stays. Everything that is removed can be built again.",
  positionals: [{ name: "ACTION", summary: "ls or prune", required: true, choices: ["ls", "prune"] }],
  flags: [
    cacheFlag,
    { name: "max-size", value: "SIZE", summary: "prune: keep at most this much" },
    { name: "older-than", value: "DURATION", summary: "prune: what was not used for this long" },
    { name: "all", summary: "prune: everything" },
    { name: "dry-run", summary: "prune: say what would go, and remove nothing" },
  ],
  examples: [
    "lm image cache ls",
    "lm image cache prune --max-size 10G",
    "lm image cache prune --older-than 7d --dry-run",
  ],
  run: async (invocation, session) => {
    const [{ manageCache }, { libraryBuilder }] = await Promise.all([
      import("../../image/cache.ts"),
      import("../../image/library-builder.ts"),
    ]);
    return manageCache(invocation, session, libraryBuilder());
  },
};
