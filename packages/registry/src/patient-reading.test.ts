import assert from "node:assert/strict";
import { test } from "node:test";
import { memoryImage } from "./image-fixture.ts";
import { readBlob, readManifest } from "./patient-reading.ts";
import { pushImage } from "./push.ts";
import { parseReference } from "./reference.ts";
import { RegistryClient } from "./registry-client.ts";
import { evenEntropy, HastyClock, ScriptedRegistry } from "./scripted-registry-fixture.ts";

const size = 300_000;

async function world(): Promise<{
  registry: ScriptedRegistry;
  read(): Promise<Buffer>;
  reference: ReturnType<typeof parseReference>;
}> {
  const registry = new ScriptedRegistry();
  await registry.listen();
  const [image, client] = [memoryImage(size), new RegistryClient()];
  const reference = parseReference(`${registry.host}/team/image:1`);
  await pushImage(client, reference, image.content, image.index);
  const read = async (): Promise<Buffer> => {
    const parts: Uint8Array[] = [];
    const options = { clock: new HastyClock(), entropy: evenEntropy, attempts: 2 };
    for await (const part of readBlob(client, reference, image.layer.digest, options)) parts.push(part);
    return Buffer.concat(parts);
  };
  return { registry, read, reference };
}

test("a blob whose connection breaks again and again comes whole, each byte once", async () => {
  const { registry, read } = await world();
  await using _ = registry;
  const ranges: (string | undefined)[] = [];
  registry.interfere = (request, response) => {
    if (request.method !== "GET" || !request.url?.includes("/blobs/")) return false;
    ranges.push(request.headers.range);
    if (ranges.length > 4) return false;
    const from = Number(/(\d+)-/.exec(request.headers.range ?? "0-")?.[1]);
    response.writeHead(from > 0 ? 206 : 200, { "content-length": size - from });
    const part = Buffer.alloc(50_000, "layer".repeat(2).slice(from % 5, (from % 5) + 5));
    response.write(part, () => setImmediate(() => response.destroy()));
    return true;
  };
  assert.ok((await read()).equals(Buffer.alloc(size, "layer")));
  assert.equal(ranges.length, 5);
});

test("one that never brings anything is given up", async () => {
  const { registry, read } = await world();
  await using _ = registry;
  let asked = 0;
  registry.interfere = (request, response) => {
    if (!request.url?.includes("/blobs/")) return false;
    asked += 1;
    response.writeHead(200, { "content-length": size }).flushHeaders();
    setImmediate(() => response.destroy());
    return true;
  };
  await assert.rejects(read(), { code: "IMAGE_PULL_FAILED", message: /broke off/ });
  assert.ok(asked < 5, `${asked} attempts`);
});

test("a document is asked for again while the registry is not well", async () => {
  const { registry, reference } = await world();
  await using _ = registry;
  let asked = 0;
  registry.interfere = (_request, response) => {
    if (++asked > 2) return false;
    response.writeHead(503).end();
    return true;
  };
  const options = { clock: new HastyClock(), entropy: evenEntropy };
  assert.equal(
    (await readManifest(new RegistryClient(), reference, undefined, options)).descriptor.mediaType,
    "application/vnd.oci.image.index.v1+json",
  );
  assert.equal(asked, 3);
});
