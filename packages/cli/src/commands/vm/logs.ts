/** `lm vm logs`: what the guest's console, or the hypervisor, printed. */
import type { Command } from "../../program/command.ts";
import { nameArgument, namespaceFlag } from "./flags.ts";

export const command: Command = {
  path: ["vm", "logs"],
  summary: "Show what a microVM's console printed",
  positionals: [nameArgument],
  flags: [
    namespaceFlag,
    { name: "follow", short: "f", summary: "go on with what is printed" },
    { name: "tail", value: "LINES", summary: "the last lines only", default: "all that is kept" },
    { name: "vmm", summary: "of the hypervisor instead of the guest" },
  ],
  examples: ["lm vm logs web --tail 50", "lm vm logs web -f", "lm vm logs web --vmm"],
  run: async (invocation, session) => {
    const { findMicroVm } = await import("../../microvm/target.ts");
    const { copyOut } = await import("../../microvm/console.ts");
    const tailLines = invocation.flags.integer("tail", { min: 0, max: 2 ** 31 - 1 });
    const host = await session.host();
    const { uid } = await findMicroVm(session, host, invocation.positionals[0] ?? "");
    if (tailLines === 0 && !invocation.flags.on("follow")) return undefined;
    const request = {
      uid,
      vmm: invocation.flags.on("vmm"),
      follow: invocation.flags.on("follow"),
      tailLines: tailLines ?? 0,
    };
    await copyOut(session, host.logs(request, { signal: session.signal }));
    return undefined;
  },
};
