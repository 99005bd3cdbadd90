import assert from "node:assert/strict";
import { appendFile, mkdtemp, readFile, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { zstdCompressSync } from "node:zlib";
import { describeSupplyChain } from "./attachments.ts";
import { describedImage } from "./described-image-fixture.ts";
import { verifyImage } from "./image-verification.ts";
import { attach, blobPath, type FixtureDescriptor, putBlob, putImage, putIndex } from "./layout-fixture.ts";
import { readSupplyChain } from "./stored-documents.ts";

describe("verifying an image", () => {
  // In a suite of their own: hooks of a file would be those of every file that runs in the same process.
  describe("verifying images", () => {
    let layout = "";
    let image: FixtureDescriptor;
    let layers: FixtureDescriptor[];

    beforeEach(async () => {
      layout = await mkdtemp(join(tmpdir(), "lm-verify-"));
      image = await putImage(layout, "content");
      layers = JSON.parse(await readFile(blobPath(layout, image.digest), "utf8")).layers;
      for (const one of describeSupplyChain({ ...describedImage, manifestDigest: image.digest })) {
        await attach(layout, image, one);
      }
    });
    afterEach(() => rm(layout, { recursive: true }));

    const damaged = (message: RegExp): Promise<void> =>
      assert.rejects(verifyImage(layout), { code: "IMAGE_CORRUPT", message });

    test("a whole image is found whole, with its documents", async () => {
      const seen: string[] = [];
      const { manifests } = await verifyImage(layout, { onBlob: (digest) => seen.push(digest) });
      assert.equal(manifests.length, 1);
      const [one] = manifests;
      assert.deepEqual([one?.digest, one?.architecture, one?.layers], [image.digest, "amd64", 2]);
      assert.deepEqual(one?.attached, ["application/spdx+json", "application/vnd.in-toto+json"]);
      assert.ok(layers.every(({ digest }) => seen.includes(digest)));
    });

    test("what is attached can be read back", async () => {
      const [summary] = await readSupplyChain(layout);
      assert.equal(summary?.manifestDigest, image.digest);
      assert.deepEqual(summary?.sbom?.counts, { deb: 3, golang: 1, generic: 1, other: 2 });
      assert.ok(summary?.sbom?.packages.some(({ name, version }) => name === "bash" && version === "5.2.15-2+b7"));
      assert.equal(summary?.provenance?.builder, "urn:liquidmetal:image-builder");
      assert.equal(summary?.provenance?.recipe, "node/kubernetes");
      assert.deepEqual(summary?.provenance?.parameters, { version: "v1.36.3", cni: "bridge" });
      assert.equal(summary?.provenance?.inputs["debian-package"], 2);
    });

    test("a layer of which one byte differs is named", async () => {
      const [layer] = layers;
      const bytes = await readFile(blobPath(layout, layer?.digest ?? ""));
      bytes.writeUInt8(bytes.readUInt8(bytes.length - 1) ^ 1, bytes.length - 1);
      await writeFile(blobPath(layout, layer?.digest ?? ""), bytes);
      await damaged(new RegExp(`${layer?.digest}`));
    });

    test("a layer that is shorter, longer, missing, or a link to elsewhere is refused", async () => {
      const path = blobPath(layout, layers[1]?.digest ?? "");
      await appendFile(path, "x");
      await damaged(/has \d+ bytes and not \d+/);
      await truncate(path, 3);
      await damaged(/has 3 bytes and not \d+/);
      await rm(path);
      await damaged(/is missing/);
      await symlink("/etc/hostname", path);
      await damaged(/is no regular file/);
    });

    test("a layer that unpacks to something else than the configuration says is refused, and so is one that does not unpack", async () => {
      const manifest = JSON.parse(await readFile(blobPath(layout, image.digest), "utf8"));
      for (const [content, message] of [
        [zstdCompressSync("something else"), /does not unpack to sha256:/],
        [Buffer.from("no archive"), /does not unpack \(/],
      ] as const) {
        manifest.layers[0] = await putBlob(layout, manifest.layers[0].mediaType, content);
        await putIndex(layout, [await putBlob(layout, image.mediaType, manifest)]);
        await damaged(message);
      }
    });

    test("documents of another image are refused, and so is a document of no image", async () => {
      const other = describeSupplyChain({ ...describedImage, manifestDigest: `sha256:${"e".repeat(64)}` });
      for (const one of other) await attach(layout, image, one);
      await damaged(/bill of materials .* is of another image .*provenance .* is of another image/);
      await putImage(layout, "content");
      for (const one of other) await attach(layout, { ...image, digest: `sha256:${"e".repeat(64)}` }, one);
      await damaged(/is attached to sha256:e+, which is not there/);
    });

    test("a manifest that is not what the index says, an odd index and a folder that is no layout are refused", async () => {
      await writeFile(blobPath(layout, image.digest), Buffer.alloc(image.size, " "));
      await damaged(/its digest is wrong/);
      await writeFile(join(layout, "index.json"), "{");
      await damaged(/index.json is no JSON/);
      await putIndex(layout, [{ mediaType: image.mediaType, digest: "sha256:../../etc/passwd", size: 1 }]);
      await damaged(/is no sha256 digest/);
      await putIndex(layout, []);
      await damaged(/no image in it/);
      await rm(join(layout, "index.json"));
      await assert.rejects(verifyImage(layout), { code: "IMAGE_NOT_FOUND" });
    });

    test("an image for another machine than the index says is refused", async () => {
      await putIndex(layout, [{ ...image, platform: { architecture: "arm64", os: "linux" } }]);
      await damaged(/is listed for arm64, and is for amd64/);
    });

    test("verification can be cancelled", async () => {
      const controller = new AbortController();
      controller.abort();
      await assert.rejects(verifyImage(layout, { signal: controller.signal }));
    });
  });
});
