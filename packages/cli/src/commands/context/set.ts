/** `lm context set`. */
import type { Command } from "../../program/command.ts";

export const command: Command = {
  path: ["context", "set"],
  summary: "Make or replace a named host",
  description:
    "Keeps the address and the ways to authenticate under a name. --host, --token-file, --tls-ca, --tls-cert, --tls-key and --insecure are stored.",
  positionals: [{ name: "NAME", summary: "name of the context", required: true, complete: "context" }],
  flags: [
    { name: "namespace", short: "n", value: "NAMESPACE", summary: "namespace that commands use without -n" },
    { name: "use", summary: "make it the current one" },
  ],
  examples: ["lm context set rack1 --host grpcs://rack1:9090 --token-file ~/.rack1.token --use"],
  run: async (invocation, session) => (await import("../../context/edit.ts")).setContext(invocation, session),
};
