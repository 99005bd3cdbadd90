/** What `npm run quickstart -- …` takes. */
import { parseArgs } from "node:util";
import { platformPaths } from "@liquidmetal/platform";

export interface QuickstartOptions {
  readonly down: boolean;
  readonly dryRun: boolean;
  /** Name of the embedded platform (`lm up --name`). */
  readonly platform: string;
  readonly help: boolean;
}

export const usage = `Usage: npm run quickstart [-- OPTIONS]

From nothing to a microVM that you are logged in to: installs what is missing, builds a kernel and a root
volume as OCI images, starts the embedded host, creates one microVM through flintlock's API and logs in to it.

Options:
  --dry-run      say what would be installed and done, and do nothing
  --down         remove everything that the quickstart made (image cache and system packages stay)
  --name NAME    name of the embedded platform (default: default)
  -h, --help     show this help
`;

/** Throws with a message for people when an option is unknown, or the name cannot be one. */
export function readOptions(args: readonly string[]): QuickstartOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      down: { type: "boolean", default: false },
      "dry-run": { type: "boolean", default: false },
      name: { type: "string", default: "default" },
      help: { type: "boolean", short: "h", default: false },
    },
    strict: true,
  });
  platformPaths(values.name);
  return { down: values.down, dryRun: values["dry-run"], platform: values.name, help: values.help };
}
