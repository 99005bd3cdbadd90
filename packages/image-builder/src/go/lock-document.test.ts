import assert from "node:assert/strict";
import { test } from "node:test";
import { lockGoMod, lockReplacements } from "./lock-document.ts";
import { parseGoMod } from "./module-files.ts";

const kubernetes = parseGoMod(`module k8s.io/kubernetes
go 1.26.0
godebug default=go1.26
require (
	k8s.io/api v0.0.0
	k8s.io/client-go v0.0.0
	k8s.io/utils v0.0.0-20260210185600-b8788abfbbc2
	github.com/google/uuid v1.6.0
)
replace (
	k8s.io/api => ./staging/src/k8s.io/api
	k8s.io/client-go => ./staging/src/k8s.io/client-go
	k8s.io/sample-controller => ./staging/src/k8s.io/sample-controller
)
`);

test("exactly the staging modules of Kubernetes are replaced by what was published with it", () => {
  assert.deepEqual(lockReplacements(kubernetes, "v1.36.3"), [
    { path: "k8s.io/api", by: { path: "k8s.io/api", version: "v0.36.3" } },
    { path: "k8s.io/client-go", by: { path: "k8s.io/client-go", version: "v0.36.3" } },
  ]);
});

test("forks are kept, folders of modules with a real version are not needed, unpublished ones are refused", () => {
  const forked = parseGoMod(
    "module a.org/x\nrequire b.org/y v1.0.0\nrequire c.org/z v1.0.0\nreplace b.org/y => d.org/y v1.1.0\nreplace c.org/z => ../z\n",
  );
  assert.deepEqual(lockReplacements(forked, "v1.0.0"), [
    { path: "b.org/y", by: { path: "d.org/y", version: "v1.1.0" } },
  ]);
  const unpublished = parseGoMod("module a.org/x\nrequire b.org/y v0.0.0\nreplace b.org/y => ./y\n");
  assert.throws(() => lockReplacements(unpublished, "v1.0.0"), /takes b\.org\/y from a folder/);
});

test("a lock is read back as it was meant", () => {
  const replacements = lockReplacements(kubernetes, "v1.36.3");
  const packages = ["k8s.io/kubernetes/cmd/kubelet"];
  const lock = parseGoMod(
    lockGoMod({ module: "k8s.io/kubernetes", version: "v1.36.3", upstream: kubernetes, packages, replacements }),
  );
  assert.equal(lock.go, "1.26.0");
  assert.deepEqual(lock.godebug, ["default=go1.26"]);
  assert.deepEqual(lock.tools, packages);
  assert.deepEqual(lock.require, [{ path: "k8s.io/kubernetes", version: "v1.36.3" }]);
  assert.deepEqual(lock.replace, replacements);
});

test("tool lines need Go 1.24 at least", () => {
  const upstream = parseGoMod("module a.org/x\ngo 1.22.0\n");
  const text = lockGoMod({ module: "a.org/x", version: "v1.0.0", upstream, packages: ["a.org/x"], replacements: [] });
  assert.match(text, /^go 1\.24\.0$/m);
});
