import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { registryHosts } from "./hosts.ts";

let directory: string;
before(async () => {
  directory = await mkdtemp(join(tmpdir(), "lm-hosts-"));
});
after(() => rm(directory, { recursive: true, force: true }));

async function configure(name: string, text: string): Promise<void> {
  await mkdir(join(directory, name), { recursive: true });
  await writeFile(join(directory, name, "hosts.toml"), text);
}

test("without configuration: HTTPS, plain HTTP on loopback, Docker Hub's own host", async () => {
  const base = async (registry: string): Promise<string | undefined> => (await registryHosts(registry))[0]?.baseUrl;
  assert.equal(await base("ghcr.io"), "https://ghcr.io/v2");
  assert.equal(await base("docker.io"), "https://registry-1.docker.io/v2");
  assert.equal(await base("localhost:5000"), "http://localhost:5000/v2");
  assert.equal(await base("127.0.0.9:5000"), "http://127.0.0.9:5000/v2");
  assert.equal(await base("127.0.0.1.example.org"), "https://127.0.0.1.example.org/v2");
});

test("mirrors come in the file's order, the registry last", async () => {
  await writeFile(join(directory, "ca.pem"), "PEM");
  await configure(
    "example.org",
    `server = "https://real.example.org"
[host."https://b.example.org"]
  capabilities = ["pull"]
  ca = "../ca.pem"
  skip_verify = true
[host."https://a.example.org/mirror/v2"]
  override_path = true
  [host."https://a.example.org/mirror/v2".header]
    x-team = ["one", "two"]
`,
  );
  const hosts = await registryHosts("example.org", directory);
  assert.deepEqual(
    hosts.map((host) => [host.baseUrl, host.mirror, host.resolves]),
    [
      ["https://b.example.org/v2", true, false],
      ["https://a.example.org/mirror/v2", true, true],
      ["https://real.example.org/v2", false, true],
    ],
  );
  assert.deepEqual(hosts[0]?.tls, { ca: ["PEM"], skipVerify: true });
  assert.deepEqual(hosts[1]?.headers, { "x-team": "one, two" });
});

test("ports with underscores, and a default for all others", async () => {
  await configure("example.org_8443_", 'server = "https://with-port.example.org"');
  await configure("_default", 'server = "https://default.example.org"');
  assert.equal((await registryHosts("example.org:8443", directory))[0]?.baseUrl, "https://with-port.example.org/v2");
  assert.equal((await registryHosts("other.example.org", directory))[0]?.baseUrl, "https://default.example.org/v2");
});

test("a broken file is named", async () => {
  await configure("broken.example.org", "server = [");
  await assert.rejects(registryHosts("broken.example.org", directory), {
    code: "CONFIG_INVALID",
    message: /broken\.example\.org/,
  });
  await configure("wrong.example.org", "skip_verify = 3");
  await assert.rejects(registryHosts("wrong.example.org", directory), {
    code: "CONFIG_INVALID",
    message: /skip_verify/,
  });
});
