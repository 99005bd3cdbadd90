/** Built images into a real registry and out of it again: plain, with certificates and passwords, again, and to a second repository. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";
import { buildRecipe, fetchLayout, StoredLayout, verifyImage, writeOutput } from "@liquidmetal/image-builder";
import { parseReference, pushImage, RegistryClient, type RegistryOptions } from "@liquidmetal/registry";
import {
  type RegistryProcess,
  registrySkip,
  startRegistry,
  testPassword,
  testUser,
} from "../assets/containerd-registries.ts";

const run = promisify(execFile);

const recipe = `name: test/pushed
title: Pushed
version: "1"
date: 2026-11-01
architectures: [amd64, arm64]
layers:
  - files:
      - {path: etc/one, text: one}
  - files:
      - {path: etc/two, text: two}
`;

describe("images and registries", { skip: await registrySkip(), timeout: 120_000 }, () => {
  let directory = "";
  let layout = "";
  let digest = "";
  let plain: RegistryProcess;
  let secure: RegistryProcess;
  let trusted: RegistryOptions = {};
  const none: RegistryOptions = {};

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "lm-push-"));
    await writeFile(join(directory, "recipe.yaml"), recipe);
    const built = await buildRecipe({
      recipe: join(directory, "recipe.yaml"),
      cacheDirectory: join(directory, "cache"),
      architectures: ["amd64", "arm64"],
    });
    ({ layout, digest } = built);
    plain = await startRegistry(join(directory, "plain"));
    secure = await startRegistry(join(directory, "secure"), { secure: true });
    const hosts = join(directory, "hosts", secure.host);
    await mkdir(hosts, { recursive: true });
    await writeFile(
      join(hosts, "hosts.toml"),
      `server = "https://${secure.host}"\nca = "${join(directory, "secure/tls.crt")}"\n`,
    );
    trusted = { hostsDirectory: join(directory, "hosts"), credentialsPath: await credentials("good", testPassword) };
  });
  after(async () => {
    await plain?.stop();
    await secure?.stop();
    await rm(directory, { recursive: true, force: true });
  });

  async function credentials(name: string, password: string): Promise<string> {
    const path = join(directory, `${name}.json`);
    const auth = Buffer.from(`${testUser}:${password}`).toString("base64");
    await writeFile(path, JSON.stringify({ auths: { [secure.host]: { auth } } }));
    return path;
  }

  it("an index goes there and comes back byte for byte, with what is attached to each platform", async () => {
    const told: number[] = [];
    const reference = `${plain.host}/team/pushed:1`;
    const written = await writeOutput(layout, `registry:${reference}`, {
      registry: none,
      onProgress: (done, total) => told.push(done / total),
    });
    assert.deepEqual([written.digest, told.at(-1)], [digest, 1]);
    const fetched = await fetchLayout(reference, join(directory, "back"), { registry: none });
    assert.equal(fetched.digest, digest);
    const { manifests } = await verifyImage(join(directory, "back"));
    assert.deepEqual(manifests.map(({ architecture }) => architecture).sort(), ["amd64", "arm64"]);
    const [before, back] = await Promise.all([StoredLayout.open(layout), StoredLayout.open(join(directory, "back"))]);
    const digests = ({ referrers }: StoredLayout): string[] =>
      referrers.map(({ descriptor }) => descriptor.digest).sort();
    assert.ok(before.referrers.length > 0);
    assert.deepEqual(digests(back), digests(before));
    await assert.rejects(fetchLayout(reference, join(directory, "back"), { registry: none }), {
      code: "REQUEST_INVALID",
    });
  });

  it("what describes an image comes without its layers", async () => {
    const reference = `${plain.host}/team/pushed@${digest}`;
    await fetchLayout(reference, join(directory, "described"), { registry: none, documentsOnly: true });
    const stored = await StoredLayout.open(join(directory, "described"));
    const blobs = await readdir(join(directory, "described/blobs/sha256"));
    for (const manifest of stored.image.document.manifests) {
      const { layers } = JSON.parse(await readFile(join(layout, `blobs/${manifest.digest.replace(":", "/")}`), "utf8"));
      for (const layer of layers) assert.ok(!blobs.includes(layer.digest.slice("sha256:".length)));
    }
    assert.ok(stored.referrers.length > 0);
  });

  it("lm image inspect shows what lies in a registry, SBOM included", async () => {
    await writeOutput(layout, `registry:${plain.host}/team/shown:1`, { registry: none });
    const lm = async (...args: string[]): Promise<string> => {
      const main = join(import.meta.dirname, "../../packages/cli/src/main.ts");
      return (await run(process.execPath, [main, "image", "inspect", `registry:${plain.host}/team/shown:1`, ...args]))
        .stdout;
    };
    const shown = JSON.parse(await lm("-o", "json"));
    assert.equal(shown.digest, digest);
    assert.deepEqual(shown.manifests.map(({ platform }: { platform: string }) => platform).sort(), [
      "linux/amd64",
      "linux/arm64",
    ]);
    assert.equal(shown.manifests[0].layers.length, 2);
    assert.equal(JSON.parse(await lm("--sbom")).spdxVersion, "SPDX-2.3");
  });

  it("with certificate and password; a wrong one of either is said", async () => {
    const reference = `${secure.host}/team/pushed:1`;
    await writeOutput(layout, `registry:${reference}`, { registry: trusted });
    await fetchLayout(reference, join(directory, "from-secure"), { registry: trusted });
    await verifyImage(join(directory, "from-secure"));
    const push = (registry: RegistryOptions): Promise<unknown> =>
      writeOutput(layout, `registry:${reference}`, { registry });
    await assert.rejects(push({ ...trusted, credentialsPath: await credentials("bad", "wrong") }), {
      code: "IMAGE_UNAUTHORIZED",
      message: /401/,
    });
    await assert.rejects(push({ hostsDirectory: join(directory, "hosts") }), {
      code: "IMAGE_UNAUTHORIZED",
      message: /none are configured/,
    });
    const stranger = { credentialsPath: join(directory, "good.json"), hostsDirectory: join(directory, "strangers") };
    await mkdir(join(directory, "strangers", secure.host), { recursive: true });
    await writeFile(join(directory, "strangers", secure.host, "hosts.toml"), `server = "https://${secure.host}"\n`);
    await assert.rejects(push(stranger), { code: "IMAGE_PUSH_FAILED", message: /certificate/, remedy: /ca = / });
  });

  it("a second push sends nothing, a large blob goes in chunks, another repository mounts", async () => {
    const stored = await StoredLayout.open(layout);
    const client = new RegistryClient();
    const last = { presentBlobs: 0 };
    const onProgress = ({ presentBlobs }: { presentBlobs: number }): void => void Object.assign(last, { presentBlobs });
    const push = (name: string, more: object): Promise<void> =>
      pushImage(client, parseReference(`${plain.host}/${name}`), stored, stored.image.descriptor, {
        onProgress,
        ...more,
      });
    await push("team/chunked:1", { chunkBytes: 64 });
    assert.equal(last.presentBlobs, 0);
    await push("team/chunked:1", {});
    const all = last.presentBlobs;
    assert.ok(all >= 3, `${all} blobs were there`);
    await push("team/mounted:1", { mountFrom: ["team/chunked"] });
    assert.equal(last.presentBlobs, all);
    const { descriptor } = await client.manifest(parseReference(`${plain.host}/team/mounted:1`));
    assert.equal(descriptor.digest, digest);
  });

  it("a registry that dies in the middle leaves no tag, and the next push completes", async () => {
    const dying = await startRegistry(join(directory, "dying"));
    const reference = `${dying.host}/team/pushed:1`;
    await assert.rejects(
      writeOutput(layout, `registry:${reference}`, {
        registry: none,
        onProgress: () => void dying.stop(),
        signal: AbortSignal.timeout(60_000),
      }),
      { code: "IMAGE_PUSH_FAILED" },
    );
    const again = await startRegistry(join(directory, "dying"));
    try {
      const name = `${again.host}/team/pushed:1`;
      await assert.rejects(new RegistryClient().manifest(parseReference(name)), { code: "IMAGE_NOT_FOUND" });
      await writeOutput(layout, `registry:${name}`, { registry: none });
      assert.equal((await new RegistryClient().manifest(parseReference(name))).descriptor.digest, digest);
    } finally {
      await again.stop();
    }
  });
});
