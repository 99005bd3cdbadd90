import assert from "node:assert/strict";
import { test } from "node:test";
import { describedImage, sha } from "./described-image-fixture.ts";
import { spdxDocument } from "./spdx-document.ts";

const document = spdxDocument(describedImage, "liquidmetal-1.2.3");
const packageOf = (name: string): (typeof document.packages)[number] =>
  document.packages.find((one) => one.name === name) ?? assert.fail(`no package ${name}`);

test("what SPDX 2.3 requires is there, and every identifier is defined once", () => {
  assert.equal(document.spdxVersion, "SPDX-2.3");
  assert.equal(document.dataLicense, "CC0-1.0");
  assert.deepEqual(document.creationInfo, { created: "2023-11-14T22:13:20Z", creators: ["Tool: liquidmetal-1.2.3"] });
  const ids = document.packages.map((one) => one.SPDXID);
  assert.equal(new Set(ids).size, ids.length);
  for (const one of document.packages) {
    assert.match(one.SPDXID, /^SPDXRef-[A-Za-z0-9.-]+$/);
    assert.ok(one.name !== "" && one.downloadLocation !== "" && one.licenseDeclared !== "", one.SPDXID);
  }
  for (const { spdxElementId, relatedSpdxElement } of document.relationships) {
    assert.ok([...ids, "SPDXRef-DOCUMENT"].includes(spdxElementId));
    assert.ok(ids.includes(relatedSpdxElement));
  }
});

test("the namespace is a URI that the image's digest makes its own", () => {
  assert.equal(document.documentNamespace, `urn:liquidmetal:spdx:${sha("a")}`);
});

test("the image contains its software and was generated from what left none", () => {
  const related = (type: string): string[] =>
    document.relationships
      .filter(({ relationshipType }) => relationshipType === type)
      .map(({ relatedSpdxElement }) => document.packages.find((one) => one.SPDXID === relatedSpdxElement)?.name ?? "")
      .sort();
  assert.deepEqual(related("DESCRIBES"), ["liquidmetal.local/node/kubernetes"]);
  assert.deepEqual(related("CONTAINS"), ["bash", "k8s.io/kubernetes", "odd", "zlib1g"]);
  assert.deepEqual(related("GENERATED_FROM"), [
    "https://mirror.example/a.tar.gz",
    "linux-source-6.1",
    "liquidmetal.local/node/containers/pause",
  ]);
});

test("a Debian package has its URL, checksum, source package and licence, or where the licence is written", () => {
  const bash = packageOf("bash");
  assert.equal(bash.externalRefs?.[0]?.referenceLocator, "pkg:deb/debian/bash@5.2.15-2%2Bb7?arch=amd64");
  assert.deepEqual(bash.checksums, [{ algorithm: "SHA256", checksumValue: "2".repeat(64) }]);
  assert.equal(bash.supplier, "Organization: Debian");
  assert.equal(bash.licenseDeclared, "GPL-3.0-or-later AND LicenseRef-debian-Latex2e");
  const zlib = packageOf("zlib1g");
  assert.equal(zlib.sourceInfo, "built from the source package zlib");
  assert.equal(zlib.licenseDeclared, "NOASSERTION");
  assert.equal(zlib.licenseComments, "see usr/share/doc/zlib1g/copyright of the package");
  assert.deepEqual(
    document.hasExtractedLicensingInfos?.map(({ licenseId }) => licenseId),
    ["LicenseRef-debian-Latex2e"],
  );
});

test("a licence that is no expression is quoted and not asserted", () => {
  assert.equal(packageOf("odd").licenseDeclared, "NOASSERTION");
  assert.equal(packageOf("odd").licenseComments, 'declared as "GPL v2 and more, (mostly"');
});

test("Go's checksum is told as what it is: not the checksum of a file", () => {
  const module = packageOf("k8s.io/kubernetes");
  assert.equal(module.checksums, undefined);
  assert.match(module.sourceInfo ?? "", /^Go checksum h1:/);
});

test("the order of what was found does not matter, and nobody's password is written", () => {
  const turned = {
    ...describedImage,
    software: [...describedImage.software, ...describedImage.software].reverse(),
    inputs: [...describedImage.inputs].reverse(),
  };
  assert.deepEqual(spdxDocument(turned, "liquidmetal-1.2.3"), document);
  assert.doesNotMatch(JSON.stringify(document), /secret/);
});
