import assert from "node:assert/strict";
import { test } from "node:test";
import { PlatformError } from "@liquidmetal/foundation";
import fc from "fast-check";
import { chainIds, choosePlatform, digestOf, parseConfig, parseDocument } from "./image-documents.ts";

const digest = (fill: string): string => `sha256:${fill.repeat(64)}`;
const bytes = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));

test("chain ids follow the specification", () => {
  const [a, b] = [digest("a"), digest("b")];
  assert.deepEqual(chainIds([a, b]), [a, digestOf(`${a} ${b}`)]);
  assert.deepEqual(chainIds([]), []);
});

test("a platform is chosen, attestations are not, and what is there is named", () => {
  const entry = (fill: string, os: string, architecture: string): object => ({
    mediaType: "m",
    digest: digest(fill),
    size: 1,
    platform: { os, architecture },
  });
  const index = parseDocument(
    bytes({
      manifests: [entry("a", "unknown", "unknown"), entry("b", "linux", "arm64"), entry("c", "windows", "amd64")],
    }),
    "x",
  );
  assert.ok(index.kind === "index");
  assert.equal(choosePlatform(index, { os: "linux", architecture: "arm64" }, "x").digest, digest("b"));
  assert.throws(() => choosePlatform(index, { os: "linux", architecture: "amd64" }, "x"), {
    code: "IMAGE_WRONG_PLATFORM",
    message: /linux\/arm64, windows\/amd64/,
  });
});

test("whatever bytes come, only IMAGE_CORRUPT is thrown", () => {
  const corrupt = (work: () => unknown): void => {
    try {
      work();
    } catch (error) {
      assert.ok(error instanceof PlatformError && error.code === "IMAGE_CORRUPT", String(error));
    }
  };
  fc.assert(
    fc.property(fc.oneof(fc.json(), fc.string()), (text) => {
      corrupt(() => parseDocument(Buffer.from(text), "x"));
      corrupt(() => parseConfig(Buffer.from(text), "x"));
    }),
  );
  const layer = { mediaType: "m", digest: digest("a"), size: -1 };
  for (const broken of [
    { config: layer, layers: [] },
    { manifests: [{ digest: "sha256:../../x", size: 1 }] },
    { schemaVersion: 1, fsLayers: [] },
  ]) {
    assert.throws(() => parseDocument(bytes(broken), "x"), { code: "IMAGE_CORRUPT" });
  }
});
