/** `lm vm get`: one microVM. */
import type { Command } from "../../program/command.ts";
import { nameArgument, namespaceFlag } from "./flags.ts";

export const command: Command = {
  path: ["vm", "get"],
  summary: "Show one microVM",
  positionals: [nameArgument],
  flags: [namespaceFlag],
  examples: ["lm vm get web", "lm vm get default/web -o json"],
  run: async (invocation, session) => {
    const { findMicroVm } = await import("../../microvm/target.ts");
    const { presentation } = await import("../../microvm/view.ts");
    const { printOne } = await import("../../output/print.ts");
    const view = await findMicroVm(session, await session.host(), invocation.positionals[0] ?? "");
    await printOne(session, view, presentation(session.clock.nowMs(), true));
    return undefined;
  },
};
