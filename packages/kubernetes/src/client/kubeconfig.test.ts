import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { stringify } from "yaml";
import { inClusterConfiguration } from "./in-cluster.ts";
import { loadKubeconfig } from "./kubeconfig.ts";

let directory = "";
before(async () => {
  directory = await mkdtemp(join(tmpdir(), "lm-kubeconfig-"));
});
after(() => rm(directory, { recursive: true, force: true }));

const pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
const data = Buffer.from(pem).toString("base64");

async function written(content: unknown, name = "config"): Promise<string> {
  const path = join(directory, name);
  await writeFile(path, typeof content === "string" ? content : stringify(content));
  return path;
}

const config = (cluster: object, user: object = {}, context: object = {}): object => ({
  "current-context": "one",
  contexts: [{ name: "one", context: { cluster: "c", user: "u", ...context } }],
  clusters: [{ name: "c", cluster: { server: "https://10.0.0.1:6443", ...cluster } }],
  users: [{ name: "u", user }],
});

test("certificates in the file and beside it, a token file, a namespace", async () => {
  const path = await written(
    config(
      { "certificate-authority-data": data, "tls-server-name": "kubernetes" },
      { "client-certificate": "admin.pem", "client-key-data": data, token: "inline", tokenFile: "/var/token" },
      { namespace: "capi" },
    ),
  );
  assert.deepEqual(await loadKubeconfig({ path }), {
    server: "https://10.0.0.1:6443",
    insecureSkipTlsVerify: false,
    certificateAuthority: { text: pem },
    serverName: "kubernetes",
    clientCertificate: { file: join(directory, "admin.pem") },
    clientKey: { text: pem },
    token: { file: "/var/token" },
    namespace: "capi",
  });
});

test("a credential plugin, a proxy, someone to act as", async () => {
  const exec = {
    apiVersion: "client.authentication.k8s.io/v1",
    command: "./plugin",
    args: ["--x"],
    env: [{ name: "A", value: "b" }],
    interactiveMode: "Never",
  };
  const user = { exec, as: "jane", "as-groups": ["dev"], "as-user-extra": { reason: ["test"] } };
  const path = await written(
    config({ "insecure-skip-tls-verify": true, "proxy-url": "socks5://localhost:1080" }, user),
  );
  const read = await loadKubeconfig({ path });
  assert.deepEqual(read.exec, {
    apiVersion: exec.apiVersion,
    command: join(directory, "plugin"),
    args: ["--x"],
    env: { A: "b" },
    provideClusterInfo: false,
    installHint: "",
  });
  assert.deepEqual(read.impersonate, { user: "jane", groups: ["dev"], extra: { reason: ["test"] } });
  assert.deepEqual(
    [read.proxyUrl, read.insecureSkipTlsVerify, read.namespace],
    ["socks5://localhost:1080", true, "default"],
  );
});

test("several files: the first that states a name wins, those that are not there do not count", async () => {
  const first = await written({ "current-context": "two" }, "first");
  const second = await written({ ...config({}), contexts: [{ name: "two", context: { cluster: "c" } }] }, "second");
  const third = await written({ clusters: [{ name: "c", cluster: { server: "https://late" } }] }, "third");
  const path = [first, join(directory, "none"), second, third].join(":");
  assert.equal((await loadKubeconfig({ environment: { KUBECONFIG: path } })).server, "https://10.0.0.1:6443");
  await assert.rejects(loadKubeconfig({ path, context: "three" }), /contexts has no "three"/);
});

const wrong: readonly (readonly [what: string, content: unknown, message: RegExp])[] = [
  ["no YAML", "a: [", /config is not YAML/],
  ["no context", { clusters: [] }, /current-context is not set/],
  ["a cluster that is not there", { ...config({}), clusters: [] }, /clusters has no "c", which context "one" names/],
  ["a user that is not there", { ...config({}), users: null }, /users has no "u"/],
  [
    "a server that is no URL",
    config({ server: "10.0.0.1" }),
    /config: clusters."c".cluster.server "10.0.0.1" is not a URL/,
  ],
  ["a server that is no text", config({ server: 3 }), /config: clusters.0.cluster.server .*expected string/],
  [
    "data that is no PEM",
    config({ "certificate-authority-data": "eHg=" }),
    /certificate-authority-data is not base64 of PEM/,
  ],
  [
    "a certificate without its key",
    config({}, { "client-certificate-data": data }),
    /users."u".user.client-key is missing/,
  ],
  ["a proxy of unknown kind", config({ "proxy-url": "ftp://x" }), /proxy-url "ftp:\/\/x" is not/],
  [
    "trust in all and in one",
    config({ "insecure-skip-tls-verify": true, "certificate-authority-data": data }),
    /makes no sense/,
  ],
  ["a removed way to log in", config({}, { "auth-provider": { name: "gcp" } }), /auth-provider was removed/],
  [
    "an old plugin version",
    config({}, { exec: { apiVersion: "client.authentication.k8s.io/v1alpha1", command: "x" } }),
    /users.0.user.exec.apiVersion/,
  ],
];

for (const [what, content, message] of wrong) {
  test(`refused, with file and field: ${what}`, async () => {
    const path = await written(content);
    await assert.rejects(loadKubeconfig({ path }), { code: "KUBECONFIG_INVALID", message });
  });
}

test("no file at all is said so", async () => {
  await assert.rejects(loadKubeconfig({ path: join(directory, "none") }), /none cannot be read/);
  await assert.rejects(loadKubeconfig({ path: `${directory}/n1:${directory}/n2` }), /none of .*n1, .*n2 is there/);
});

test("in a pod: the service account's files and the service's address; outside, a word of what is missing", async () => {
  const environment = { KUBERNETES_SERVICE_HOST: "fd00::1", KUBERNETES_SERVICE_PORT: "443" };
  await assert.rejects(inClusterConfiguration({ environment: {}, directory }), /KUBERNETES_SERVICE_HOST/);
  await assert.rejects(inClusterConfiguration({ environment, directory }), /token cannot be read/);
  await written("t", "token");
  await written(pem, "ca.crt");
  await written("capmvm-system", "namespace");
  assert.deepEqual(await inClusterConfiguration({ environment, directory }), {
    server: "https://[fd00::1]:443",
    certificateAuthority: { file: join(directory, "ca.crt") },
    token: { file: join(directory, "token") },
    namespace: "capmvm-system",
  });
});
