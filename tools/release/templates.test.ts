import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { composeTemplates } from "./templates.ts";

const root = join(import.meta.dirname, "../..");

/** Of clusterctl: arguments of `generate cluster`. */
const clusterctlVariables = [
  "CLUSTER_NAME",
  "NAMESPACE",
  "KUBERNETES_VERSION",
  "CONTROL_PLANE_MACHINE_COUNT",
  "WORKER_MACHINE_COUNT",
];

test("every variable of the templates is documented, and none else", async () => {
  const templates = [...(await composeTemplates(root)).values()].join("\n");
  const used = new Set([...templates.matchAll(/\$\{(\w+)/g)].map(([, name = ""]) => name));
  for (const name of clusterctlVariables) used.delete(name);
  const page = readFileSync(join(root, "docs/capmvm.md"), "utf8");
  const [, section = ""] = page.split("### Variables");
  const documented = new Set(
    [...(section.split("\n## ")[0] ?? "").matchAll(/`([A-Z][A-Z0-9_]{4,})`/g)].map(([, name]) => name),
  );
  documented.delete("KUBERNETES_VERSION");
  assert.deepEqual([...documented].sort(), [...used].sort());
});

test("files that templates carry stand in them, and the class has no variables of clusterctl", async () => {
  const templates = await composeTemplates(root);
  for (const [name, text] of templates) assert.doesNotMatch(text, /@file:/, name);
  const keepalived = templates.get("cluster-template-keepalived.yaml") ?? "";
  assert.match(keepalived, /^ {8}content: \|\n {10}#!\/bin\/sh\n/m);
  assert.match(keepalived, /^ {2}cni\.yaml: \|\n {4}# The network/m);
  assert.doesNotMatch(templates.get("clusterclass-microvm.yaml") ?? "${", /\$\{/);
});
