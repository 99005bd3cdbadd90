/** `lm _complete KIND`: what completion scripts ask for names that only the host knows. Silent when the host does not answer at once. */
import type { Command } from "../../program/command.ts";

const timeoutMs = 1_500;

export const command: Command = {
  path: ["_complete"],
  summary: "Names for completion",
  hidden: true,
  positionals: [{ name: "KIND", summary: "vm, image, recipe, context or cluster", required: true }],
  flags: [],
  examples: [],
  run: async (invocation, session) => {
    try {
      for (const name of await names(invocation.positionals[0] ?? "")) session.print(name);
    } catch {
      return 1;
    }
    return undefined;

    async function names(kind: string): Promise<readonly string[]> {
      if (kind === "context") {
        const { readContexts } = await import("../../context/context-file.ts");
        return (await readContexts(session.terminal.env)).contexts.map((context) => context.name);
      }
      if (kind === "recipe") {
        const { libraryBuilder } = await import("../../image/library-builder.ts");
        return (await libraryBuilder().recipes()).map((recipe) => recipe.name);
      }
      if (kind === "cluster") {
        const { clusterNames } = await import("../../cluster/names.ts");
        return await clusterNames(session, timeoutMs);
      }
      const options = { signal: AbortSignal.any([session.signal, AbortSignal.timeout(timeoutMs)]), timeoutMs };
      const host = await session.host();
      if (kind === "image") return (await host.images(options)).map((image) => image.reference);
      const microvms = await host.list({ namespace: "" }, options);
      return microvms.flatMap((vm) =>
        vm.spec === undefined ? [] : [vm.spec.id, `${vm.spec.namespace}/${vm.spec.id}`],
      );
    }
  },
};
