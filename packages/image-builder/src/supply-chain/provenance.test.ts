import assert from "node:assert/strict";
import { test } from "node:test";
import { describeSupplyChain } from "./attachments.ts";
import { describedImage } from "./described-image-fixture.ts";
import { provenanceStatement } from "./provenance.ts";

const statement = provenanceStatement(describedImage, { liquidmetal: "1.2.3" });
const { buildDefinition, runDetails } = statement.predicate;

test("the statement is about the manifest and says what the user asked for", () => {
  assert.equal(statement._type, "https://in-toto.io/Statement/v1");
  assert.equal(statement.predicateType, "https://slsa.dev/provenance/v1");
  assert.deepEqual(statement.subject, [{ name: describedImage.reference, digest: { sha256: "a".repeat(64) } }]);
  assert.deepEqual(buildDefinition.externalParameters, {
    recipe: { name: "node/kubernetes", digest: { sha256: "b".repeat(64) } },
    parameters: { cni: "bridge", version: "v1.36.3" },
    architecture: "amd64",
    sourceDateEpoch: 1_700_000_000,
  });
  assert.deepEqual(runDetails, { builder: { id: "urn:liquidmetal:image-builder", version: { liquidmetal: "1.2.3" } } });
});

test("every input is a dependency with its digest: packages, modules, files, archives, images, tools", () => {
  const kinds = buildDefinition.resolvedDependencies.map((one) => one.annotations?.["kind"]);
  assert.deepEqual(new Set(kinds), new Set(describedImage.inputs.map(({ kind }) => kind)));
  assert.equal(buildDefinition.resolvedDependencies.length, describedImage.inputs.length);
  for (const one of buildDefinition.resolvedDependencies) {
    const [[algorithm = "", hex = ""] = []] = Object.entries(one.digest ?? {});
    assert.match(algorithm, /^(sha256|dirHash)$/, one.name);
    assert.match(hex, /^[0-9a-f]{64}$/, one.name);
  }
  const module = buildDefinition.resolvedDependencies.find(({ name }) => name === "k8s.io/kubernetes");
  assert.deepEqual(module?.digest, { dirHash: "07".repeat(32) });
  assert.equal(module?.uri, "pkg:golang/k8s.io/kubernetes@v1.36.3");
});

test("no clock, no password, no order of discovery in either attachment", () => {
  const turned = { ...describedImage, inputs: [...describedImage.inputs].reverse() };
  const attachments = describeSupplyChain(describedImage);
  assert.deepEqual(describeSupplyChain(turned), attachments);
  assert.deepEqual(
    attachments.map(({ artifactType }) => artifactType),
    ["application/spdx+json", "application/vnd.in-toto+json"],
  );
  for (const { blob } of attachments) {
    assert.doesNotMatch(String(blob), /secret/);
    assert.doesNotMatch(String(blob), new RegExp(String(new Date().getFullYear())));
  }
});
