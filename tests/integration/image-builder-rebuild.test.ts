/** How little is done when nothing, or one file, has changed: an image as large as that of a Kubernetes node. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import { builtBy, CoreWorld, madeLayers } from "./image-builder-core-world.ts";

const mebibyte = 1024 * 1024;

describe("building what is built already", { timeout: 600_000 }, () => {
  it("takes well under 5 s for 700 MB in 20 layers, and makes one layer where one file changed", async () => {
    await using world = await CoreWorld.create();
    // As programs are: a third of it is left when it is compressed.
    const sizes = { sizeBytes: 35 * mebibyte, randomBytes: 12 * mebibyte };
    const layers = Array.from({ length: 20 }, (_, at) => ({ name: `layer-${at}`, ...sizes }));
    const recipe = await world.recipe("large", layers);
    const request = { recipe, cacheDirectory: join(world.directory, "cache") };
    const first = await world.run({ request });
    assert.equal(madeLayers(first).length, 20);
    const again = await world.run({ request });
    const { cached, processorMs } = builtBy(again);
    assert.ok(cached);
    // Other tests run beside this one: what a quiet machine takes is the processor's time.
    assert.ok(processorMs < 4_000, `${processorMs} ms`);
    await world.data("large", { name: "layer-7", sizeBytes: 1024 });
    const changed = await world.run({ request });
    assert.deepEqual(madeLayers(changed), ["layer-7"]);
  });
});
