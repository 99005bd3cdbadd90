import assert from "node:assert/strict";
import type { IncomingMessage } from "node:http";
import { test } from "node:test";
import { fetchImage } from "./fetch.ts";
import type { Descriptor } from "./image-documents.ts";
import { MemoryContent, memoryImage } from "./image-fixture.ts";
import { type PushOptions, pushImage } from "./push.ts";
import { parseReference } from "./reference.ts";
import { RegistryClient } from "./registry-client.ts";
import { evenEntropy, HastyClock, refuse, ScriptedRegistry } from "./scripted-registry-fixture.ts";
import type { RegistryOptions } from "./session.ts";

interface World extends AsyncDisposable {
  readonly registry: ScriptedRegistry;
  readonly image: ReturnType<typeof memoryImage>;
  readonly clock: HastyClock;
  push(options?: PushOptions, reference?: string): Promise<void>;
  readonly client: RegistryClient;
}

async function world(layerBytes?: number, options: RegistryOptions = {}): Promise<World> {
  const registry = new ScriptedRegistry();
  await registry.listen();
  const [image, clock, client] = [memoryImage(layerBytes), new HastyClock(), new RegistryClient(options)];
  return {
    ...{ registry, image, clock, client },
    push: (more = {}, reference = "team/image:1") =>
      pushImage(client, parseReference(`${registry.host}/${reference}`), image.content, image.index, {
        referrers: [image.attached],
        clock,
        entropy: evenEntropy,
        attempts: 4,
        ...more,
      }),
    [Symbol.asyncDispose]: () => registry[Symbol.asyncDispose](),
  };
}

const isUpload = ({ method, url }: IncomingMessage): boolean =>
  method === "PATCH" || (method === "PUT" && url?.includes("/blobs/uploads/") === true);
const sorted = (content: MemoryContent): string[] => [...content.blobs.keys()].sort();

for (const referrersApi of [true, false]) {
  test(`an index, its platforms and what is attached arrive whole, ${referrersApi ? "with" : "without"} the referrers API`, async () => {
    await using all = await world();
    const { registry, image, client } = all;
    registry.referrersApi = referrersApi;
    const told: number[] = [];
    await all.push({ onProgress: ({ doneBytes, totalBytes }) => told.push(doneBytes / totalBytes) });
    assert.equal(told.at(-1), 1);
    const there = new MemoryContent();
    const reference = parseReference(`${registry.host}/team/image:1`);
    const fetched = await fetchImage(client, reference, there, { referrers: true });
    assert.equal(fetched.target.digest, image.index.digest);
    assert.deepEqual(
      fetched.referrers.map(({ digest, artifactType }) => [digest, artifactType]),
      [[image.attached.digest, "application/spdx+json"]],
    );
    assert.deepEqual(sorted(there), sorted(image.content));
    // Again: nothing is sent twice, and nothing is listed twice.
    registry.requests.length = 0;
    await all.push();
    assert.ok(registry.requests.every((one) => !one.startsWith("POST") && !one.startsWith("PATCH")));
    assert.equal((await client.referrers(reference, image.attached.digest)).length, 0);
    assert.equal((await client.referrers(reference, image.manifests[0]?.digest ?? "")).length, 1);
  });
}

test("blobs of another repository are mounted and not sent", async () => {
  await using all = await world();
  await all.push();
  all.registry.requests.length = 0;
  await all.push({ mountFrom: ["somebody/else", "team/image"] }, "team/other:1");
  assert.ok(all.registry.requests.every((one) => !one.startsWith("PATCH") && !/^PUT .*uploads/.test(one)));
  assert.ok(all.registry.blobs.has(`team/other ${all.image.layer.digest}`));
});

test("large blobs go in chunks", async () => {
  await using all = await world(10_000);
  await all.push({ chunkBytes: 4_000, referrers: [] });
  assert.equal(all.registry.requests.filter((one) => one.startsWith("PATCH")).length, 2);
  assert.equal(all.registry.blobs.get(`team/image ${all.image.layer.digest}`)?.length, 10_000);
});

for (const [keeps, chunkBytes] of [
  [true, 1e9],
  [true, 250_000],
  [false, 1e9],
  [false, 250_000],
] as const) {
  test(`a connection cut half way is taken up again: the registry ${keeps ? "kept" : "forgot"} what came, chunks of ${chunkBytes}`, async () => {
    await using all = await world(600_000);
    const { registry, image } = all;
    registry.keepsBrokenUploads = keeps;
    const sent: string[] = [];
    registry.interfere = (request, _response, body) => {
      if (isUpload(request) && body.length > 1_000) sent.push(`${request.headers["content-range"] ?? "all"}`);
      return false;
    };
    // The first upload that is large: small ones are through before.
    registry.cutUploadAfterBytes = 100_000;
    await all.push({ chunkBytes, referrers: [], concurrency: 1 });
    assert.ok(registry.blobs.get(`team/image ${image.layer.digest}`)?.length === 600_000, sent.join());
    const resumed = sent.some((range) => /^[1-9]\d*-/.test(range));
    assert.equal(resumed, keeps || chunkBytes < 1e9, sent.join());
  });
}

const failures: readonly (readonly [
  string,
  Parameters<typeof assert.rejects>[1],
  (request: IncomingMessage, response: Parameters<typeof refuse>[0]) => boolean,
])[] = [
  [
    "refused without saying how to get in",
    { code: "IMAGE_UNAUTHORIZED", message: /refuses access/ },
    (_request, response) => {
      response.writeHead(401).end();
      return true;
    },
  ],
  [
    "forbidden, in the registry's words",
    {
      code: "IMAGE_UNAUTHORIZED",
      message: /403 for .*: requested access to the resource is denied/,
      retry: "after-change",
    },
    (request, response) => {
      if (request.method !== "POST") return false;
      refuse(response, 403, "DENIED", "requested access to the resource is\ndenied");
      return true;
    },
  ],
  [
    "a registry for reading only",
    { code: "IMAGE_PUSH_FAILED", message: /405 .*read only/, retry: "after-change" },
    (request, response) => {
      if (request.method !== "POST") return false;
      refuse(response, 405, "UNSUPPORTED", "read only");
      return true;
    },
  ],
  [
    "a digest that does not match",
    { code: "IMAGE_CORRUPT", message: /digest did not match/ },
    (request, response) => {
      if (!isUpload(request)) return false;
      refuse(response, 400, "DIGEST_INVALID", "provided digest did not match uploaded content");
      return true;
    },
  ],
  [
    "a registry that takes a blob for another",
    { code: "IMAGE_CORRUPT", message: /took sha256:.* for sha256:0000/ },
    (request, response) => {
      if (!isUpload(request)) return false;
      response.writeHead(201, { "docker-content-digest": `sha256:${"0".repeat(64)}` }).end();
      return true;
    },
  ],
  [
    "a registry that takes a manifest for another",
    { code: "IMAGE_CORRUPT", message: /took sha256:.* for sha256:0000/ },
    (request, response) => {
      if (request.method !== "PUT" || isUpload(request)) return false;
      response.writeHead(201, { "docker-content-digest": `sha256:${"0".repeat(64)}` }).end();
      return true;
    },
  ],
  [
    "a manifest refused half way",
    { code: "IMAGE_PUSH_FAILED", message: /400 for manifest .*: manifest invalid/ },
    (request, response) => {
      if (request.method !== "PUT" || isUpload(request)) return false;
      refuse(response, 400, "MANIFEST_INVALID", "manifest invalid");
      return true;
    },
  ],
  [
    "no place to upload to",
    { code: "IMAGE_PUSH_FAILED", message: /names no place/ },
    (request, response) => {
      if (request.method !== "POST") return false;
      response.writeHead(202, { location: "file:///etc/passwd" }).end();
      return true;
    },
  ],
  [
    "a server that is down for good",
    { code: "IMAGE_PUSH_FAILED", message: /503/ },
    (_request, response) => {
      response.writeHead(503).end();
      return true;
    },
  ],
  [
    "a server that falls silent",
    { code: "IMAGE_PUSH_FAILED", message: /sent nothing for 150 ms/ },
    (request) => isUpload(request),
  ],
];
for (const [what, expected, interfere] of failures) {
  test(`${what}: the push fails, and the tag is not there`, async () => {
    await using all = await world(20_000, { idleTimeoutMs: 150 });
    all.registry.interfere = interfere;
    await assert.rejects(all.push({ attempts: 2 }), expected);
    assert.ok(!all.registry.manifests.has("team/image 1"));
  });
}

test("busy servers are asked again, as late as they say", async () => {
  await using all = await world();
  const seen = new Map<string, number>();
  all.registry.interfere = (request, response) => {
    const key = `${request.method} ${request.url?.replace(/upload-.*/, "")}`;
    const count = (seen.get(key) ?? 0) + 1;
    seen.set(key, count);
    if (count === 1) response.writeHead(429, { "retry-after": "7" }).end();
    else if (count === 2) response.writeHead(502).end();
    return count < 3;
  };
  await all.push({ attempts: 12, concurrency: 1 });
  assert.ok(all.registry.manifests.has("team/image 1"));
  assert.ok(all.clock.delaysMs.includes(7_000) && all.clock.delaysMs.some((delay) => delay < 1_000));
});

test("tokens are asked for with the right to push, and to read where blobs are mounted from", async () => {
  await using all = await world();
  all.registry.wantsTokens = true;
  await all.push({ mountFrom: ["team/base"] });
  assert.ok(all.registry.manifests.has("team/image 1"));
  const tokens = all.registry.requests.filter((one) => one.includes("/token")).map((one) => decodeURIComponent(one));
  assert.ok(tokens.some((one) => one.includes("repository:team/image:pull,push&scope=repository:team/base:pull")));
  const reader = new RegistryClient();
  all.registry.requests.length = 0;
  await reader.manifest(parseReference(`${all.registry.host}/team/image:1`));
  assert.ok(all.registry.requests.every((one) => !one.includes("push")));
});

test("a cancelled push stops at once, with the caller's reason", async () => {
  await using all = await world(2_000_000);
  const controller = new AbortController();
  const reason = new Error("enough");
  all.registry.interfere = (request) => {
    if (isUpload(request)) controller.abort(reason);
    return isUpload(request);
  };
  await assert.rejects(all.push({ signal: controller.signal }), reason);
});

test("an image goes only under its own digest", async () => {
  await using all = await world();
  await assert.rejects(all.push({}, `team/image@sha256:${"0".repeat(64)}`), { code: "IMAGE_REFERENCE_INVALID" });
  await all.push({}, `team/image@${all.image.index.digest}`);
  assert.ok(all.registry.manifests.has(`team/image ${all.image.index.digest}`));
});

test("only the platforms that are wanted are fetched, and one that is not there is said", async () => {
  await using all = await world();
  await all.push();
  const there = new MemoryContent();
  const reference = parseReference(`${all.registry.host}/team/image:1`);
  await fetchImage(all.client, reference, there, { platforms: [{ os: "linux", architecture: "arm64" }] });
  const [amd64, arm64] = all.image.manifests;
  assert.deepEqual([there.blobs.has(amd64?.digest ?? ""), there.blobs.has(arm64?.digest ?? "")], [false, true]);
  await assert.rejects(
    fetchImage(all.client, reference, there, { platforms: [{ os: "linux", architecture: "s390x" }] }),
    { code: "IMAGE_WRONG_PLATFORM", message: /nothing for linux\/s390x/ },
  );
});

test("a fetch that breaks goes on where it stopped; content that is not its digest is refused", async () => {
  await using all = await world(300_000);
  await all.push();
  const { registry, image, client, clock } = all;
  const reference = parseReference(`${registry.host}/team/image:1`);
  let cut = false;
  registry.interfere = (request, response) => {
    if (cut || request.method !== "GET" || !request.url?.includes(`blobs/${image.layer.digest}`)) return false;
    cut = true;
    response.writeHead(200, { "content-length": 300_000 });
    response.write(Buffer.alloc(100_000, "layer"), () => setImmediate(() => response.destroy()));
    return true;
  };
  const there = new MemoryContent();
  const options = { clock, entropy: evenEntropy, concurrency: 1 };
  await fetchImage(client, reference, there, options);
  assert.equal(there.blobs.get(image.layer.digest)?.length, 300_000);
  const offsets = there.writes.filter(([digest]) => digest === image.layer.digest).map(([, offset]) => offset);
  assert.deepEqual([offsets.length, offsets[0], (offsets[1] ?? 0) > 0], [2, 0, true]);
  registry.interfere = () => false;
  registry.blobs.set(`team/image ${image.layer.digest}`, Buffer.alloc(300_000, "x"));
  await assert.rejects(fetchImage(client, reference, new MemoryContent(), options), { code: "IMAGE_CORRUPT" });
});

test("a list of referrers that is not true is refused", async () => {
  await using all = await world();
  await all.push();
  const other = all.image.manifests[1] as Descriptor;
  all.registry.interfere = (request, response) => {
    if (!request.url?.includes("/referrers/")) return false;
    const { mediaType, digest, sizeBytes } = other;
    response
      .writeHead(200)
      .end(JSON.stringify({ schemaVersion: 2, manifests: [{ mediaType, digest, size: sizeBytes }] }));
    return true;
  };
  const reference = parseReference(`${all.registry.host}/team/image:1`);
  await assert.rejects(fetchImage(all.client, reference, new MemoryContent(), { referrers: true }), {
    code: "IMAGE_CORRUPT",
    message: /is not attached to/,
  });
});
