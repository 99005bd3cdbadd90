import assert from "node:assert/strict";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { describe, test } from "node:test";
import { writeOutput } from "../outputs/write-output.ts";
import { verifyImage } from "../supply-chain/image-verification.ts";
import { BuildWorld, readImage } from "./build-fixture.ts";
import type { BuiltRecipe } from "./build-request.ts";

/** A world with an image for two architectures, and what is built on it in another cache. */
async function worldWithImage(): Promise<{ readonly world: BuildWorld; readonly below: BuiltRecipe }> {
  const world = await BuildWorld.create();
  const files = '  - files: [{path: a, text: "${architecture}"}]\n';
  await world.recipe("test/below", files, 'labels: {a: "1"}\nconfig: {command: [/a], environment: {A: b}}');
  const below = await world.build("test/below", { architectures: ["amd64", "arm64"] });
  return { world, below };
}

async function buildOn(world: BuildWorld, from: string): Promise<BuiltRecipe> {
  await world.recipe("test/one", "  - probe: {id: top, below: true}\n", `from: ${JSON.stringify(from)}`);
  return await world.build("test/one", { cacheDirectory: join(world.directory, "other") });
}

describe("an image from elsewhere", () => {
  test("is inherited from, for each architecture its own, wherever it lies; and nothing says where it lay", async () => {
    const { world, below } = await worldWithImage();
    await using _ = world;
    const archive = join(world.directory, "image.tar");
    await writeOutput(below.layout, `oci-archive:${archive}`);
    const made: BuiltRecipe[] = [];
    for (const from of [`oci:${below.layout}`, `oci-archive:${archive}`]) {
      const built = await buildOn(world, from);
      const { manifest, config } = await readImage(built);
      assert.deepEqual([config.config.Cmd, config.config.Env], [["/a"], ["A=b"]]);
      assert.equal(built.labels["a"], "1");
      assert.equal(manifest.layers.length, 2);
      assert.ok(built.inputs.some(({ kind, name }) => kind === "image" && name === from));
      assert.ok(!JSON.stringify([manifest, config]).includes(world.directory));
      await verifyImage(built.layout);
      assert.equal((await buildOn(world, from)).cached, true);
      made.push(built);
    }
    assert.equal(made[0]?.manifests[0]?.digest, made[1]?.manifests[0]?.digest);
    assert.deepEqual(world.made, ["top"]);
  });

  test("comes from a registry by its digest", async () => {
    const { world, below } = await worldWithImage();
    await using _ = world;
    const asked: string[] = [];
    const server = createServer((request, response) => {
      const [, digest = ""] = /\/(sha256:[0-9a-f]{64})$/.exec(request.url ?? "") ?? [];
      asked.push(digest);
      readFile(join(below.layout, "blobs", digest.replace(":", "/"))).then(
        (bytes) => response.end(bytes),
        () => response.writeHead(404).end(),
      );
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    try {
      const { port } = server.address() as AddressInfo;
      const built = await buildOn(world, `127.0.0.1:${port}/test/below@${below.digest}`);
      assert.equal(built.labels["a"], "1");
      await verifyImage(built.layout);
      const blobs = new Set(asked).size;
      await buildOn(world, `127.0.0.1:${port}/test/below@${below.digest}`);
      assert.equal(new Set(asked).size, blobs);
      assert.equal(asked.filter((one) => one === built.inputs[0]?.digest).length <= 2, true);
      const missing = `127.0.0.1:${port}/test/below@sha256:${"0".repeat(64)}`;
      await assert.rejects(buildOn(world, missing), { code: "RECIPE_INVALID", message: /one\.yaml:6:7: / });
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });

  test("that is not there, damaged or of another architecture is refused", async () => {
    const { world, below } = await worldWithImage();
    await using _ = world;
    await assert.rejects(buildOn(world, "oci:missing"), {
      code: "RECIPE_INVALID",
      message: /one\.yaml:6:7: .*missing is no OCI image layout/,
    });
    await assert.rejects(buildOn(world, "127.0.0.1:1/test/below:latest"), /one\.yaml:6:7: .* is named with its digest/);
    await mkdir(join(world.recipes, "test/damaged"));
    await writeFile(join(world.recipes, "test/damaged/index.json"), '{"manifests":[{"digest":"sha256:1"}]}');
    await assert.rejects(buildOn(world, "oci:damaged"), { code: "IMAGE_CORRUPT" });
    const copy = join(world.directory, "copy");
    await writeOutput(below.layout, `oci:${copy}`);
    const layer = (await readImage(below)).manifest.layers[0];
    const blob = join(copy, "blobs", layer.digest.replace(":", "/"));
    const bytes = await readFile(blob);
    await writeFile(blob, Buffer.alloc(bytes.length), { flag: "w" });
    await assert.rejects(buildOn(world, `oci:${copy}`), { code: "IMAGE_CORRUPT" });
    const single = await world.build("test/below", { architectures: ["arm64"] });
    await assert.rejects(buildOn(world, `oci:${single.layout}`), { code: "IMAGE_WRONG_PLATFORM" });
  });
});
