import assert from "node:assert/strict";
import { access, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import { parse } from "yaml";
import { managementSoftware, programNames } from "./software.ts";

const images = join(import.meta.dirname, "../../../../images");

interface GoLayer {
  readonly module: string;
  readonly lock: string;
  readonly ldflags?: Readonly<Record<string, string>>;
}

/** The first `go` step of a recipe, its version filled in. */
async function goLayer(recipe: string, version: string): Promise<GoLayer> {
  const text = await readFile(join(images, recipe), "utf8");
  const minor = version.split(".")[1] ?? "";
  const filled = text.replace(/\$\{version\}/g, version).replace(/: \$\{minor\}/g, `: "${minor}"`);
  const { layers } = parse(filled) as { readonly layers: readonly { readonly go?: GoLayer }[] };
  const layer = layers.find(({ go }) => go !== undefined)?.go;
  assert.ok(layer);
  return layer;
}

describe("what a management plane is made of", () => {
  it("names every program once", () => {
    const names = managementSoftware.flatMap(({ programs }) => Object.keys(programs));
    assert.deepEqual([...names].sort(), [...programNames].sort());
  });

  it("has a lock for every module", async () => {
    for (const { lock } of managementSoftware) await access(join(images, lock, "go.sum"));
  });

  for (const [module, recipe] of [
    ["k8s.io/kubernetes", "node/containers/kube-apiserver.yaml"],
    ["go.etcd.io/etcd/server/v3", "node/containers/etcd.yaml"],
  ] as const) {
    it(`links ${module} as the node image does, so that both share one compile`, async () => {
      const software = managementSoftware.find((each) => each.module === module);
      assert.ok(software);
      const layer = await goLayer(recipe, software.version.slice(1));
      assert.equal(layer.module, module);
      assert.deepEqual(software.variables, layer.ldflags ?? {});
      assert.equal(join("node", "containers", layer.lock), software.lock);
      assert.ok(software.together);
    });
  }
});
