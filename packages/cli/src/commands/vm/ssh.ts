/** `lm vm ssh`. */
import type { Command } from "../../program/command.ts";
import { nameArgument, namespaceFlag } from "./flags.ts";

export const command: Command = {
  path: ["vm", "ssh"],
  summary: "Log in to a microVM of the local platform by ssh",
  description:
    "Runs the system's ssh, through the platform's network namespace where it has one. The host keys seen are kept with the platform, and its own key is " +
    "offered (see --ssh-key platform of 'lm vm create').",
  positionals: [
    nameArgument,
    { name: "COMMAND", summary: "what to run instead of a shell", required: false, repeatable: true },
  ],
  flags: [
    namespaceFlag,
    { name: "login", short: "l", value: "USER", summary: "user to log in as", default: "root" },
    { name: "identity", short: "i", value: "FILE", summary: "private key to offer as well", complete: "file" },
    { name: "port", short: "p", value: "PORT", summary: "port", default: "22" },
    { name: "timeout", value: "DURATION", summary: "how long to try to connect", default: "30s" },
  ],
  examples: ["lm vm ssh web", "lm vm ssh web -- uname -a"],
  passThrough: true,
  run: async (invocation, session) => (await import("../../microvm/ssh.ts")).sshToMicroVm(invocation, session),
};
