/** `lm completion`: scripts for the shells. */
import type { Command } from "../../program/command.ts";

export const completionCommand = (allCommands: () => Promise<readonly Command[]>): Command => ({
  path: ["completion"],
  summary: "Print the completion script of a shell",
  description:
    "For this shell only: source <(lm completion bash). For good: write it to the shell's completion directory.",
  positionals: [{ name: "SHELL", summary: "bash, zsh or fish", required: true, choices: ["bash", "zsh", "fish"] }],
  flags: [],
  examples: [
    "lm completion bash > /etc/bash_completion.d/lm",
    'lm completion zsh > "$HOME/.zfunc/_lm"',
    "lm completion fish > ~/.config/fish/completions/lm.fish",
  ],
  run: async (invocation, session) => {
    const { completionScript } = await import("../../reference/completion.ts");
    session.print(completionScript(invocation.positionals[0] ?? "", await allCommands()));
    return undefined;
  },
});
