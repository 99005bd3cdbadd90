/** The templates that lm knows by a name (its flavours), and those of a file. */

import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { PlatformError } from "@liquidmetal/foundation";
import { usage } from "../../program/flag-values.ts";
import { suggestion } from "../../program/suggestion.ts";
import { composeTemplates } from "./compose-templates.ts";

/** What a flavour is, for help; `plain` is the one that clusterctl knows without a name. */
export const flavours: Readonly<Record<string, string>> = {
  embedded: "complete; the control planes hold an address of a pool (keepalived)",
  keepalived: "complete; the control planes hold --endpoint (keepalived)",
  "kube-vip": "the control planes hold --endpoint (kube-vip)",
  cni: "the endpoint is a load balancer's, with the network of the node image",
  plain: "the endpoint is a load balancer's, and no network of pods",
  topology: "from the ClusterClass 'microvm'",
};

/** The ClusterClass that `topology` needs. */
const classFile = "clusterclass-microvm.yaml";
const templateLimitBytes = 4 * 1_024 * 1_024;

export interface ChosenTemplate {
  readonly text: string;
  /** Manifests that have to be there before it; "" for none. */
  readonly classText: string;
}

/** Throws REQUEST_INVALID for a flavour that is none. */
export async function flavourTemplate(name: string): Promise<ChosenTemplate> {
  if (!Object.hasOwn(flavours, name)) {
    const near = suggestion(name, Object.keys(flavours));
    throw usage(
      `'${name}' is no flavour`,
      near === undefined ? `there are ${Object.keys(flavours).join(", ")}` : `did you mean '${near}'?`,
    );
  }
  const all = await composeTemplates(shippedRoot());
  const text = all.get(name === "plain" ? "cluster-template.yaml" : `cluster-template-${name}.yaml`);
  if (text === undefined) throw new PlatformError("INTERNAL", `the template of flavour '${name}' is not shipped`);
  return { text, classText: name === "topology" ? (all.get(classFile) ?? "") : "" };
}

/** Throws REQUEST_INVALID when the file cannot be read. */
export async function fileTemplate(path: string): Promise<ChosenTemplate> {
  const text = await readFile(path, "utf8").catch((cause: unknown) => {
    throw new PlatformError("REQUEST_INVALID", `the template '${path}' cannot be read`, {
      cause,
      remedy: "check the path and its permissions",
    });
  });
  if (text.length <= templateLimitBytes) return { text, classText: "" };
  throw new PlatformError("REQUEST_INVALID", `the template '${path}' is larger than 4 MiB`);
}

/** The network of pods that comes with the image node/kubernetes, as a template. */
export async function networkTemplate(): Promise<string> {
  const complete = (await composeTemplates(shippedRoot())).get("cluster-template-cni.yaml") ?? "";
  const start = complete.lastIndexOf("---\n", complete.indexOf("kind: ClusterResourceSet"));
  return complete.slice(start + 4);
}

/** Where deploy/ and images/ lie: at the top of a checkout, beside the programs in a release. */
function shippedRoot(): string {
  const here = import.meta.dirname;
  const candidates = import.meta.filename.endsWith(".ts") ? [join(here, "../../../../..")] : [here, dirname(here)];
  const found = candidates.find((path) => existsSync(join(path, "deploy/capmvm/templates")));
  if (found !== undefined) return found;
  throw new PlatformError("INTERNAL", `the templates of clusters are missing below ${candidates.join(" and ")}`, {
    remedy: "install this release again, or build it anew with 'npm run build'",
  });
}
