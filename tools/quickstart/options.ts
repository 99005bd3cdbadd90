/** What `npm run quickstart -- …` takes. */
import { parseArgs } from "node:util";
import { platformPaths } from "@liquidmetal/platform";

export interface QuickstartOptions {
  readonly down: boolean;
  readonly dryRun: boolean;
  /** One microVM instead of a cluster. */
  readonly vm: boolean;
  /** Name of the embedded platform (`lm up --name`). */
  readonly platform: string;
  readonly help: boolean;
}

export const usage = `Usage: npm run quickstart [-- OPTIONS]

From nothing to a Kubernetes cluster on microVMs: installs what is missing, compiles Kubernetes and Cluster API
(once), builds a kernel and a node image, starts the platform with its management plane, declares a cluster of one
control plane and one worker, follows it until both nodes are ready, and asks a web service in it. A rerun takes
seconds, and goes on where an earlier run ended.

Options:
  --vm           the short form: one microVM that you are logged in to, no cluster
  --dry-run      say what would be installed, compiled and done, and do nothing
  --down         remove everything that the quickstart made (image cache and system packages stay)
  --name NAME    name of the platform (default: default)
  -h, --help     show this help
`;

/** Throws with a message for people when an option is unknown, two contradict each other, or the name cannot be one. */
export function readOptions(args: readonly string[]): QuickstartOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      vm: { type: "boolean", default: false },
      down: { type: "boolean", default: false },
      "dry-run": { type: "boolean", default: false },
      name: { type: "string", default: "default" },
      help: { type: "boolean", short: "h", default: false },
    },
    strict: true,
  });
  if (values.down && values["dry-run"]) throw new Error("--down and --dry-run contradict each other");
  platformPaths(values.name);
  const { down, vm, name: platform, help } = values;
  return { down, dryRun: values["dry-run"], vm, platform, help };
}
