/**
 * The templates of clusters, put together from their parts in `deploy/capmvm/templates`: one file for each flavour that `clusterctl generate cluster` knows.
 *
 * Text is put together, not YAML: clusterctl's variables are no YAML until it has filled them in.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { PlatformError } from "@liquidmetal/foundation";

/** Parts of a flavour in their order; `PART+NAME` is the part with what NAME adds at its end. */
const flavours: Readonly<Record<string, readonly string[]>> = {
  // The endpoint is somebody else's, as a load balancer's; no network of pods.
  "cluster-template.yaml": ["cluster+endpoint-given", "control-plane", "machines", "health-checks"],
  // The same with the network of the image node/kubernetes.
  "cluster-template-cni.yaml": ["cluster+endpoint-given", "control-plane", "machines", "health-checks", "addons-cni"],
  // Complete on the image node/kubernetes, and nothing is pulled.
  "cluster-template-keepalived.yaml": [
    "cluster+endpoint-given",
    "control-plane+endpoint-keepalived",
    "machines",
    "health-checks",
    "addons-cni",
  ],
  // The same with an endpoint out of several addresses, of which one is taken that no other cluster has.
  "cluster-template-embedded.yaml": [
    "cluster+endpoint-pooled",
    "control-plane+endpoint-keepalived-pooled",
    "machines",
    "health-checks",
    "addons-cni",
  ],
  "cluster-template-kube-vip.yaml": [
    "cluster+endpoint-given",
    "control-plane+endpoint-kube-vip",
    "machines",
    "health-checks",
  ],
};

/** Files that are whole as they stand, but for the files that they carry. */
const whole = ["cluster-template-topology.yaml", "clusterclass-microvm.yaml"];

const network = "images/node/files/cni.yaml";

/** Text by file name. `root`: the checkout, or the folder of a release's programs. */
export async function composeTemplates(root: string): Promise<ReadonlyMap<string, string>> {
  const folder = join(root, "deploy/capmvm/templates");
  const part = async (name: string): Promise<string> => {
    const text = await readFile(join(folder, "parts", `${name}.yaml`), "utf8");
    if (name !== "addons-cni") return text;
    return text + indented(await readFile(join(root, network), "utf8"), 4);
  };
  const templates = new Map<string, string>();
  for (const [file, parts] of Object.entries(flavours)) {
    const texts = await Promise.all(parts.map(async (name) => (await Promise.all(name.split("+").map(part))).join("")));
    templates.set(file, await withFiles(texts.join("---\n"), folder));
  }
  for (const file of whole) {
    templates.set(file, await withFiles(await readFile(join(folder, file), "utf8"), folder));
  }
  return templates;
}

/** `content: "@file:NAME"` becomes the text of that file. */
async function withFiles(template: string, folder: string): Promise<string> {
  const lines: string[] = [];
  for (const line of template.split("\n")) {
    const found = /^( *)content: "@file:([a-z-]+)"$/.exec(line);
    if (found === null) {
      lines.push(line);
      continue;
    }
    const [, indent = "", name = ""] = found;
    const text = await readFile(join(folder, "files", name), "utf8");
    if (text.includes("${")) {
      throw new PlatformError("CONFIG_INVALID", `the file ${name} has \${, which clusterctl takes for a variable`);
    }
    lines.push(`${indent}content: |`, indented(text, indent.length + 2).trimEnd());
  }
  return lines.join("\n");
}

function indented(text: string, spaces: number): string {
  const indent = " ".repeat(spaces);
  return text
    .split("\n")
    .map((line) => (line === "" ? "" : indent + line))
    .join("\n");
}
