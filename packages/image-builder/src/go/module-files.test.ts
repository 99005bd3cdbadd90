import assert from "node:assert/strict";
import { test } from "node:test";
import { parseGoMod, parseGoSum, replaced } from "./module-files.ts";

const text = `// a comment
module k8s.io/kubernetes // another

go 1.26.0
toolchain go1.26.1
godebug default=go1.26
tool example.org/tools/cmd/one
tool (
	example.org/tools/cmd/two
)
require (
	k8s.io/api v0.0.0
	"quoted.org/module" v1.2.3 // indirect
)
require single.org/x v0.1.0
exclude bad.org/x v1.0.0
replace (
	k8s.io/api => ./staging/src/k8s.io/api
	forked.org/a v1.0.0 => fork.org/a v1.0.1
)
replace any.org/b => fork.org/b v2.0.0+incompatible
`;

test("go.mod: blocks, single lines, comments, quotes, and directives that are not known", () => {
  const mod = parseGoMod(text);
  assert.equal(mod.module, "k8s.io/kubernetes");
  assert.equal(mod.go, "1.26.0");
  assert.deepEqual(mod.godebug, ["default=go1.26"]);
  assert.deepEqual(mod.tools, ["example.org/tools/cmd/one", "example.org/tools/cmd/two"]);
  assert.deepEqual(
    mod.require.map(({ path, version }) => `${path} ${version}`),
    ["k8s.io/api v0.0.0", "quoted.org/module v1.2.3", "single.org/x v0.1.0"],
  );
  assert.deepEqual(mod.replace, [
    { path: "k8s.io/api", by: { path: "./staging/src/k8s.io/api" } },
    { path: "forked.org/a", version: "v1.0.0", by: { path: "fork.org/a", version: "v1.0.1" } },
    { path: "any.org/b", by: { path: "fork.org/b", version: "v2.0.0+incompatible" } },
  ]);
});

test("go.mod: a replacement of one version leaves the others alone", () => {
  const { replace } = parseGoMod(text);
  assert.equal(replaced({ path: "forked.org/a", version: "v1.0.0" }, replace).path, "fork.org/a");
  assert.equal(replaced({ path: "forked.org/a", version: "v1.1.0" }, replace).path, "forked.org/a");
  assert.equal(replaced({ path: "any.org/b", version: "v9.0.0" }, replace).version, "v2.0.0+incompatible");
});

test("go.mod without a module is refused, with the file's name", () => {
  assert.throws(() => parseGoMod("go 1.26\n", "locks/x/go.mod"), /locks\/x\/go\.mod names no module/);
  assert.equal(parseGoMod("module old.org/x\n").go, "1.16");
});

test("go.sum: only what vouches for content", () => {
  const sums = parseGoSum(
    "a.org/x v1.0.0 h1:AAA=\na.org/x v1.0.0/go.mod h1:BBB=\nb.org/y v1.0.0 h2:CCC=\n\nshort line\n",
  );
  assert.deepEqual(sums, [{ path: "a.org/x", version: "v1.0.0", digest: "h1:AAA=" }]);
});
