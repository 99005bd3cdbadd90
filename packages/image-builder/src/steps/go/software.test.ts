import assert from "node:assert/strict";
import { test } from "node:test";
import { linkedSoftware, packageUrl } from "./software.ts";

test("package URLs are in lower case, and versions are escaped", () => {
  assert.equal(
    packageUrl("github.com/Azure/go-ansiterm", "v2.0.0+incompatible"),
    "pkg:golang/github.com/azure/go-ansiterm@v2.0.0%2Bincompatible",
  );
});

test("each module once, with its licence where it is known; programs of a folder get the version of their source", () => {
  const dependency = { path: "a.org/x", version: "v1.0.0", digest: "h1:x=" };
  const own = { path: "own", version: "(devel)" };
  const program = { goVersion: "1.26.8", package: "own", main: own, dependencies: [dependency] };
  const other = { ...program, package: "own/other" };
  const software = linkedSoftware([program, other], {
    licenses: { "a.org/x@v1.0.0": "MIT" },
    ownVersion: "0.0.0-abc",
  });
  assert.deepEqual(software, [
    { name: "a.org/x", version: "v1.0.0", purl: "pkg:golang/a.org/x@v1.0.0", license: "MIT", digest: "h1:x=" },
    { name: "own", version: "0.0.0-abc", purl: "pkg:golang/own@0.0.0-abc" },
    { name: "stdlib", version: "1.26.8", purl: "pkg:golang/stdlib@1.26.8", license: "BSD-3-Clause" },
  ]);
});
