/** The role in deploy/capmvm against the code: whatever it allows, some call needs. That it allows enough, every test under the real API server shows. */
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { parseAllDocuments } from "yaml";

const root = join(import.meta.dirname, "../../../..");

interface Rule {
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}

/** The names under which the code knows the kinds. */
const tokens: Readonly<Record<string, string>> = {
  ipaddressclaims: "ipAddressClaims",
  ipaddresses: "ipAddresses",
  machinepools: "machinePools",
  microvmclusters: "microvmClusters",
  microvmmachinepools: "microvmMachinePools",
  microvmmachines: "microvmMachines",
  microvmmachinetemplates: "microvmMachineTemplates",
};

/** What the runtime asks for, whatever the provider is. */
const ofTheRuntime = new Set([
  "events create",
  "events patch",
  "tokenreviews create",
  "subjectaccessreviews create",
  // Owner references with blockOwnerDeletion.
  "microvmclusters/finalizers update",
  "microvmmachinepools/finalizers update",
]);

const sources: string = globSync("packages/capmvm/src/**/*.ts", { cwd: root })
  .filter((file) => !/\.test\.ts$|\/testing\/|\/fake-/.test(file))
  .map((file) => readFileSync(join(root, file), "utf8"))
  .join("\n");

function isNeeded(resource: string, verb: string): boolean {
  if (ofTheRuntime.has(`${resource} ${verb}`)) return true;
  const [plural = "", subresource] = resource.split("/");
  const token = tokens[plural] ?? plural;
  const called = (...names: readonly string[]): boolean =>
    new RegExp(`\\b(${names.join("|")})\\((\\s*(world\\.|this\\.#)?client,)?\\s*${token}\\b`).test(sources);
  const cached = new RegExp(`${token}: open(Cache|Ours)?\\((client, )?${token}\\b`).test(sources);
  if (subresource === "status") return verb === "patch" && called("applyStatus");
  switch (verb) {
    case "get":
      return cached || called("get", "find");
    case "list":
    case "watch":
      return cached;
    case "patch":
      return called("mergePatch", "jsonPatch", "apply", "applyOwned", "addFinalizer", "removeFinalizer", "patchObject");
    case "create":
      return called("create");
    case "delete":
      return called("delete") || new RegExp(`#delete\\(\\s*${token}\\b|\\.delete\\(kind\\b`).test(sources);
    default:
      return false;
  }
}

test("the role allows nothing that no call needs", () => {
  const documents = parseAllDocuments(readFileSync(join(root, "deploy/capmvm/rbac/manager.yaml"), "utf8"));
  const role = documents.map((each) => each.toJS()).find(({ kind }) => kind === "ClusterRole");
  const surplus = (role.rules as readonly Rule[]).flatMap(({ resources, verbs }) =>
    resources.flatMap((resource) =>
      verbs.filter((verb) => !isNeeded(resource, verb)).map((verb) => `${resource} ${verb}`),
    ),
  );
  assert.deepEqual(surplus, []);
});
