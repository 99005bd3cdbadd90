/** What lies in the cache or in a layout and is no longer what it was is found: made again where it can be, refused where it cannot, never passed on. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";
import {
  type BuildEvent,
  type BuiltRecipe,
  buildRecipe,
  readSupplyChain,
  verifyImage,
  writeOutput,
} from "@liquidmetal/image-builder";
import { layerFiles } from "./image-builder-unpacked.ts";

const recipe = `name: test/tamper
title: Two layers
version: "1"
date: 2026-11-01
architectures: [amd64, arm64]
layers:
  - name: lower
    files:
      - {path: etc/lower, text: "${"lower ".repeat(500)}"}
  - name: upper
    files:
      - {path: etc/upper, text: upper}
`;

/** Takes everything that is pushed to it, and remembers the names that were given. */
class RegistryDouble implements AsyncDisposable {
  readonly manifests: string[] = [];
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((request, response) => {
      request.resume().on("end", () => {
        const { method, url = "" } = request;
        if (method === "PUT" && url.includes("/manifests/")) this.manifests.push(url);
        const answer = { POST: 202, PATCH: 202, PUT: 201, GET: 200 }[method ?? ""] ?? 404;
        const location = `${url.replace(/\?.*/, "")}${method === "POST" ? "1" : ""}`;
        response.writeHead(url === "/v2/" ? 200 : answer, { location, range: "0-0" }).end();
      });
    });
  }

  static async start(): Promise<RegistryDouble> {
    const registry = new RegistryDouble();
    registry.#server.listen(0, "127.0.0.1");
    await once(registry.#server, "listening");
    return registry;
  }

  get address(): string {
    const address = this.#server.address();
    return `127.0.0.1:${typeof address === "object" ? address?.port : ""}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }
}

/** Same length, other bytes: what sizes do not show. */
async function flip(file: string): Promise<void> {
  const bytes = await readFile(file);
  bytes.writeUInt8(bytes.readUInt8(bytes.length >> 1) ^ 0xff, bytes.length >> 1);
  await chmod(file, 0o644);
  await writeFile(file, bytes);
}

describe("tampering with what was built", { timeout: 120_000 }, () => {
  let directory = "";
  let recipeFile = "";
  let caches = 0;
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "lm-tamper-"));
    recipeFile = join(directory, "recipe.yaml");
    await writeFile(recipeFile, recipe);
  });
  after(() => rm(directory, { recursive: true, force: true }));

  const newCache = (): string => join(directory, `cache-${++caches}`);
  const build = (cacheDirectory: string, events: BuildEvent[] = []): Promise<BuiltRecipe> =>
    buildRecipe({ recipe: recipeFile, cacheDirectory, onEvent: (event) => events.push(event) });

  const blobsOf = async (cacheDirectory: string): Promise<string[]> => {
    const keys = await readdir(join(cacheDirectory, "layers"));
    return keys.map((key) => join(cacheDirectory, "layers", key, "blob")).sort();
  };

  it("makes a layer again whose kept copy changed, and the image with it", async () => {
    const cache = newCache();
    const first = await build(cache);
    for (const blob of await blobsOf(cache)) {
      await flip(blob);
      const events: BuildEvent[] = [];
      const again = await build(cache, events);
      assert.equal(again.digest, first.digest);
      assert.equal(again.cached, false);
      assert.equal(events.filter(({ text }) => /damaged: making it again/.test(text)).length, 1);
      await verifyImage(again.layout);
    }
    assert.equal((await build(cache)).cached, true);
  });

  it("writes an image again of which another part changed", async () => {
    const cache = newCache();
    const first = await build(cache);
    for (const name of await readdir(join(first.layout, "blobs/sha256"))) {
      await flip(join(first.layout, "blobs/sha256", name));
      const again = await build(cache);
      assert.equal(again.digest, first.digest);
      await verifyImage(again.layout);
    }
  });

  it("finds every changed blob of a layout", async () => {
    const { layout } = await build(newCache());
    await verifyImage(layout);
    for (const name of await readdir(join(layout, "blobs/sha256"))) {
      const file = join(layout, "blobs/sha256", name);
      const before = await readFile(file);
      await flip(file);
      await assert.rejects(verifyImage(layout), { code: "IMAGE_CORRUPT", message: new RegExp(name) });
      await writeFile(file, before);
    }
    await verifyImage(layout);
  });

  it("lets no changed blob out: to a folder, an archive, a root volume, a registry", async () => {
    const { layout } = await build(newCache());
    const [layer] = await layerFiles(layout);
    await flip(layer?.file ?? "");
    const out = join(directory, "out");
    await mkdir(out);
    await using registry = await RegistryDouble.start();
    for (const target of [
      `oci:${out}/folder`,
      `oci-archive:${out}/image.tar`,
      `ext4:${out}/root.img`,
      `registry:${registry.address}/test:1`,
    ]) {
      await assert.rejects(writeOutput(layout, target), { code: "IMAGE_CORRUPT" }, target);
    }
    assert.deepEqual(await readdir(out), [], "nothing half is left");
    assert.deepEqual(registry.manifests, [], "no name was given to it");
  });

  it("builds on no image of which a blob changed", async () => {
    const { layout } = await build(newCache());
    const [layer] = await layerFiles(layout);
    await flip(layer?.file ?? "");
    const above = join(directory, "above.yaml");
    const text = recipe
      .replace("test/tamper", "test/above")
      .replace("layers:", `from: ${JSON.stringify(`oci:${layout}`)}\nlayers:`);
    await writeFile(above, text);
    await assert.rejects(buildRecipe({ recipe: above, cacheDirectory: newCache() }), { code: "IMAGE_CORRUPT" });
  });

  it("refuses an archive that is not what the recipe says, also when it was once", async () => {
    const archive = join(directory, "thing.tar");
    await promisify(execFile)("tar", ["-C", directory, "-cf", archive, "recipe.yaml"]);
    const digest = `sha256:${createHash("sha256")
      .update(await readFile(archive))
      .digest("hex")}`;
    const file = join(directory, "archive.yaml");
    const layers = `layers:\n  - archive: {url: thing.tar, digest: "${digest}", files: {recipe.yaml: etc/thing}}\n`;
    await writeFile(file, recipe.replace(/layers:.*/s, layers).replace("test/tamper", "test/archive"));
    const { inputs } = await buildRecipe({ recipe: file, cacheDirectory: newCache() });
    assert.ok(inputs.some((input) => input.kind === "archive" && input.digest === digest));
    await flip(archive);
    await assert.rejects(buildRecipe({ recipe: file, cacheDirectory: newCache() }), {
      code: "IMAGE_INPUT_MISMATCH",
      message: /thing\.tar/,
    });
  });

  it("has a bill of materials and a provenance attached that are about this image", async () => {
    const { layout, digest } = await build(newCache());
    const { manifests } = await verifyImage(layout);
    assert.deepEqual(manifests[0]?.attached, ["application/spdx+json", "application/vnd.in-toto+json"]);
    const [summary] = await readSupplyChain(layout);
    assert.equal(summary?.manifestDigest, digest);
    assert.equal(summary?.provenance?.recipe, "test/tamper");
    assert.deepEqual(summary?.sbom?.packages, []);
  });
});
