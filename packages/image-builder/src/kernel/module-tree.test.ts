import assert from "node:assert/strict";
import { test } from "node:test";
import { chooseModules, nodeModules } from "./module-tree.ts";

const modules = [
  "net/bridge/br_netfilter.ko",
  "drivers/net/veth.ko",
  "drivers/net/ethernet/mellanox/mlx5.ko",
  "fs/overlayfs/overlay.ko",
].map((path) => ({ name: path.replace(/.*\/|\.ko$/g, ""), path: `kernel/${path}` }));

test("modules are chosen by globs of their paths, in one order whatever the order of the globs", () => {
  const chosen = ["drivers/net/veth.ko", "fs/overlayfs/**"];
  assert.deepEqual(chooseModules(modules, chosen), ["veth", "overlay"]);
  assert.deepEqual(chooseModules(modules.toReversed(), chosen.toReversed()), ["veth", "overlay"]);
  assert.equal(chooseModules(modules, ["**"]).length, modules.length);
});

test("a node's modules are there by default, drivers of hardware are not", () => {
  assert.deepEqual(chooseModules(modules, nodeModules), ["veth", "overlay", "br_netfilter"]);
});

test("a glob that matches no module fails the build and is named", () => {
  assert.throws(() => chooseModules(modules, ["net/bridge/**", "net/brigde/**"]), {
    code: "IMAGE_BUILD_FAILED",
    message: /no module that matches net\/brigde\/\*\*/,
  });
});
