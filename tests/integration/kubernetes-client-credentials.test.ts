/** What is rotated while the client runs: the token of a service account, and the certificate of what stands in front of the API server. */
import assert from "node:assert/strict";
import { copyFile, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import {
  type ClusterConfiguration,
  connectCluster,
  type KubernetesClient,
  loadKubeconfig,
  openCache,
} from "@liquidmetal/kubernetes";
import { ApiGateway } from "../assets/api-gateway.ts";
import { TestAuthority } from "../assets/certificates.ts";
import { ForwardProxy } from "../assets/forward-proxy.ts";
import { Churn, Witness } from "../assets/kubernetes-churn.ts";
import { configMaps, defineWidgets, widgets } from "../assets/kubernetes-widget.ts";
import { type ApiServer, startApiServer } from "../assets/management-plane.ts";

let started: { readonly server: ApiServer; readonly admin: KubernetesClient; readonly directory: string } | undefined;

before(
  async () => {
    const server = await startApiServer();
    await defineWidgets(server);
    const admin = connect(await loadKubeconfig({ path: server.kubeconfigFile }));
    started = { server, admin, directory: await mkdtemp(join(tmpdir(), "lm-rotation-")) };
  },
  { timeout: 300_000 },
);

after(async () => {
  await started?.admin.close();
  await started?.server[Symbol.asyncDispose]();
  if (started !== undefined) await rm(started.directory, { recursive: true, force: true });
});

test("a token that is no longer accepted is read again from its file, and no call fails", {
  timeout: 120_000,
}, async () => {
  const { server, admin, directory } = world();
  const file = join(directory, "token");
  await writeFile(file, await newToken(server));
  await server.kubectl(["create", "clusterrole", "reader", "--verb=list", "--resource=configmaps"]);
  await server.kubectl([
    "create",
    "clusterrolebinding",
    "rotated",
    "--clusterrole=reader",
    "--serviceaccount=default:rotated",
  ]);
  const authority = { certificateAuthority: { text: server.ca }, namespace: "default" };
  const client = connect({ server: server.url, token: { file }, ...authority });
  const old = connect({ server: server.url, token: { text: await readFile(file, "utf8") }, ...authority });
  await eventually(() => client.list(configMaps));
  await server.kubectl(["delete", "serviceaccount", "rotated"]);
  const token = await newToken(server);
  // Accepted tokens are remembered for some seconds.
  await eventually(() => assert.rejects(old.list(configMaps), { httpStatus: 401, code: "KUBERNETES_UNAUTHENTICATED" }));
  await writeFile(`${file}.new`, token);
  await rename(`${file}.new`, file);
  const { items } = await client.list(configMaps, { namespace: "default" });
  assert.ok(Array.isArray(items));
  await assert.rejects(client.create(configMaps, { metadata: { namespace: "default", name: "x" } }), {
    code: "KUBERNETES_FORBIDDEN",
    message: /cannot create resource "configmaps"/,
  });
  assert.ok((await admin.list(widgets)).items.length >= 0);
  await Promise.all([client.close(), old.close()]);
});

test("a server that shows a certificate of other roots is refused until the roots on disk know it; a cache goes on", {
  timeout: 120_000,
}, async () => {
  const { server, admin, directory } = world();
  using first = new TestAuthority();
  using second = new TestAuthority();
  const roots = join(directory, "roots.pem");
  await copyFile(first.caPath, roots);
  await using gateway = await ApiGateway.start(server, { tls: first.issue("gateway") });
  const configuration = { server: gateway.url, certificateAuthority: { file: roots }, namespace: "default" };
  const client = connect(configuration);
  const told: string[] = [];
  const observer = { onProblem: (error: unknown) => void told.push(error instanceof Error ? error.message : "") };
  const cache = openCache(client, widgets, { observer });
  const witness = new Witness(cache);
  const stop = new AbortController();
  const running = cache.start(stop.signal);
  await cache.synced(AbortSignal.timeout(30_000));
  gateway.setCertificate(second.issue("other"));
  await assert.rejects(client.list(widgets), { code: "KUBERNETES_UNAVAILABLE", message: /certificate/ });
  await new Churn(admin, "rotation").stopAfter(10);
  await copyFile(second.caPath, roots);
  assert.equal((await client.list(widgets)).items.length, (await admin.list(widgets)).items.length, "at once");
  await witness.agrees(admin);
  assert.ok(told.length <= 2, told.join("; "));
  gateway.setCertificate(second.issue("old", "expired"));
  await assert.rejects(client.list(widgets), { message: /expired/ });
  const named = connect({ ...configuration, serverName: "elsewhere" });
  gateway.setCertificate(second.issue("again"));
  await assert.rejects(named.list(widgets), { message: /elsewhere/ });
  const trusting = connect({ server: gateway.url, insecureSkipTlsVerify: true, namespace: "default" });
  assert.ok((await trusting.list(widgets)).items.length > 0);
  stop.abort();
  await running;
  await Promise.all([client.close(), named.close(), trusting.close()]);
});

for (const kind of ["http", "socks5"] as const) {
  test(`calls and watches go through a ${kind} proxy, and a proxy that is away is named`, {
    timeout: 60_000,
  }, async () => {
    const { server, admin } = world();
    const proxy = await ForwardProxy.start(kind);
    const direct = await loadKubeconfig({ path: server.kubeconfigFile });
    const client = connect({ ...direct, proxyUrl: proxy.url });
    const { resourceVersion } = await client.list(widgets);
    await new Churn(admin, kind).stopAfter(1);
    for await (const event of client.watch(widgets, { resourceVersion, labelSelector: `churn=${kind}` })) {
      assert.equal(event.type, "ADDED");
      break;
    }
    assert.equal(new Set(proxy.targets).size, 1);
    assert.equal(`https://${proxy.targets[0]}`, server.url);
    await proxy[Symbol.asyncDispose]();
    await assert.rejects(client.list(widgets, { timeoutMs: 1_000 }), { code: "KUBERNETES_UNAVAILABLE" });
    await client.close();
  });
}

function world(): NonNullable<typeof started> {
  if (started === undefined) throw new Error("the server did not start");
  return started;
}

function connect(configuration: ClusterConfiguration): KubernetesClient {
  return connectCluster({ configuration, userAgent: "rotation/1.0" });
}

async function newToken(server: ApiServer): Promise<string> {
  await server.kubectl(["create", "serviceaccount", "rotated"]);
  return (await server.kubectl(["create", "token", "rotated"])).trim();
}

/** Asks again until it does not fail, for half a minute at most. */
async function eventually(ask: () => Promise<unknown>): Promise<void> {
  const deadline = AbortSignal.timeout(30_000);
  for (;;) {
    try {
      await ask();
      return;
    } catch (error) {
      if (deadline.aborted) throw error;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
}
