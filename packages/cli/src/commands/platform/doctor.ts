/** `lm doctor`. */
import type { Command } from "../../program/command.ts";

export const command: Command = {
  path: ["doctor"],
  summary: "Tell what this machine can do, and what to do about the rest",
  description: "Looks, and changes nothing. Exit code 1 when something that is needed is missing.",
  positionals: [],
  flags: [
    {
      name: "probe",
      value: "true|false",
      valueOptional: true,
      summary: "boot a probe guest to see whether KVM works",
      default: "true",
    },
  ],
  examples: ["lm doctor", "lm doctor -o json"],
  run: async (invocation, session) => (await import("../../platform/doctor.ts")).runDoctor(invocation, session),
};
