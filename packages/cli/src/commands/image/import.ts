/** `lm image import`. */
import type { Command } from "../../program/command.ts";

export const command: Command = {
  path: ["image", "import"],
  summary: "Import an OCI layout or docker archive to the host",
  positionals: [
    {
      name: "FILE",
      summary: "tar archive, or an OCI layout directory; - for standard input",
      required: true,
      complete: "file",
    },
  ],
  flags: [{ name: "reference", value: "REF", summary: "name for the image", default: "the name in the archive" }],
  examples: ["lm image import debian.tar --reference local/debian:12", "docker save app | lm image import -"],
  run: async (invocation, session) => (await import("../../image/transfer.ts")).importImage(invocation, session),
};
