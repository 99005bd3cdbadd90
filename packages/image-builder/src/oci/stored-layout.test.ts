import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { StoredLayout } from "./stored-layout.ts";

let directory = "";
let number = 0;
before(async () => {
  directory = await mkdtemp(join(tmpdir(), "lm-stored-"));
});
after(() => rm(directory, { recursive: true }));

const indexType = "application/vnd.oci.image.index.v1+json";
const manifestType = "application/vnd.oci.image.manifest.v1+json";

interface Written {
  readonly path: string;
  blob(mediaType: string, content: unknown): Promise<{ mediaType: string; digest: string; size: number }>;
  index(manifests: unknown): Promise<void>;
}

async function layout(): Promise<Written> {
  const path = join(directory, `${number++}`);
  await mkdir(join(path, "blobs/sha256"), { recursive: true });
  return {
    path,
    async blob(mediaType, content) {
      const bytes = Buffer.from(typeof content === "string" ? content : JSON.stringify(content));
      const hex = createHash("sha256").update(bytes).digest("hex");
      await writeFile(join(path, "blobs/sha256", hex), bytes);
      return { mediaType, digest: `sha256:${hex}`, size: bytes.length };
    },
    index: (manifests) => writeFile(join(path, "index.json"), JSON.stringify({ schemaVersion: 2, manifests })),
  };
}

const corrupt = (message: RegExp): { code: string; message: RegExp } => ({ code: "IMAGE_CORRUPT", message });

test("names, images and what is attached are told apart", async () => {
  const made = await layout();
  const config = await made.blob("application/vnd.oci.image.config.v1+json", {});
  const manifest = await made.blob(manifestType, { schemaVersion: 2, config, layers: [] });
  const attached = await made.blob(manifestType, { schemaVersion: 2, config, layers: [], subject: manifest });
  const named = (name: string): object => ({ ...manifest, annotations: { "org.opencontainers.image.ref.name": name } });
  await made.index([named("a:1"), named("a:2"), attached]);
  const stored = await StoredLayout.open(made.path);
  assert.deepEqual([stored.references, stored.images.length, stored.referrers.length], [["a:1", "a:2"], 1, 1]);
  assert.equal(stored.image.descriptor.digest, manifest.digest);
  const reachable = await stored.reachable([stored.image]);
  assert.deepEqual(reachable.map(({ digest }) => digest).sort(), [config.digest, manifest.digest].sort());
});

test("paths in digests, sizes that are not true, other bytes and missing blobs are refused", async () => {
  const made = await layout();
  const config = await made.blob("application/vnd.oci.image.config.v1+json", {});
  const manifest = await made.blob(manifestType, { schemaVersion: 2, config, layers: [] });
  const open = async (descriptor: object): Promise<unknown> => {
    await made.index([{ ...manifest, ...descriptor }]);
    return await StoredLayout.open(made.path);
  };
  await assert.rejects(open({ digest: "sha256:../../../../etc/passwd" }), corrupt(/not a sha256 digest/));
  await assert.rejects(open({ digest: `sha256:${"0".repeat(64)}` }), corrupt(/is missing/));
  await assert.rejects(open({ size: manifest.size + 1 }), corrupt(/has \d+ bytes and not/));
  await assert.rejects(open({ size: 2 ** 60 }), corrupt(/manifests\.0\.size/));
  await assert.rejects(open({ size: -1 }), corrupt(/manifests\.0\.size/));
  await writeFile(join(made.path, "blobs", manifest.digest.replace(":", "/")), Buffer.alloc(manifest.size, " "));
  await assert.rejects(open({}), corrupt(/holds something else/));
});

test("documents beyond all bounds are not read", async () => {
  const made = await layout();
  await made.index([]);
  await truncate(join(made.path, "index.json"), 5 * 1024 * 1024);
  await assert.rejects(StoredLayout.open(made.path), corrupt(/a document of 5242880 bytes/));
  await writeFile(join(made.path, "index.json"), "not JSON");
  await assert.rejects(StoredLayout.open(made.path), corrupt(/not JSON/));
  await made.index(Array.from({ length: 1_001 }, () => ({})));
  await assert.rejects(StoredLayout.open(made.path), { code: "IMAGE_CORRUPT" });
});

test("indexes within indexes come to an end", async () => {
  const made = await layout();
  let inner = await made.blob(indexType, { schemaVersion: 2, manifests: [] });
  for (let depth = 0; depth < 6; depth += 1)
    inner = await made.blob(indexType, { schemaVersion: 2, manifests: [inner] });
  await made.index([inner]);
  const stored = await StoredLayout.open(made.path);
  await assert.rejects(stored.reachable(stored.images), corrupt(/indexes within indexes/));
});
