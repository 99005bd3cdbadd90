/** Health and metrics as kubelet and Prometheus ask for them; who may read the metrics is decided by the real kube-apiserver. */
import assert from "node:assert/strict";
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { after, before, test } from "node:test";
import {
  connectCluster,
  type KubernetesClient,
  loadKubeconfig,
  manifestYaml,
  RuntimeMetrics,
  startHealthServer,
  startMetricsServer,
} from "@liquidmetal/kubernetes";
import { type ApiServer, startApiServer } from "../assets/management-plane.ts";

const stack = new AsyncDisposableStack();
let server: ApiServer;
let client: KubernetesClient;

before(
  async () => {
    server = stack.use(await startApiServer());
    client = connectCluster({
      configuration: await loadKubeconfig({ path: server.kubeconfigFile }),
      userAgent: "test/1",
    });
    stack.defer(() => client.close());
    await server.kubectl(
      ["apply", "-f", "-"],
      manifestYaml(
        account("scraper"),
        account("stranger"),
        {
          apiVersion: "rbac.authorization.k8s.io/v1",
          kind: "ClusterRole",
          metadata: { name: "metrics-reader" },
          rules: [{ nonResourceURLs: ["/metrics"], verbs: ["get"] }],
        },
        {
          apiVersion: "rbac.authorization.k8s.io/v1",
          kind: "ClusterRoleBinding",
          metadata: { name: "metrics-reader" },
          roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "metrics-reader" },
          subjects: [{ kind: "ServiceAccount", namespace: "default", name: "scraper" }],
        },
      ),
    );
  },
  { timeout: 300_000 },
);
after(() => stack.disposeAsync());

function account(name: string): object {
  return { apiVersion: "v1", kind: "ServiceAccount", metadata: { namespace: "default", name } };
}

const token = async (name: string): Promise<string> => (await server.kubectl(["create", "token", name])).trim();

interface Answer {
  readonly status: number;
  readonly text: string;
}

function ask(url: string, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const request = url.startsWith("https:") ? httpsRequest : httpRequest;
  request(url, { headers, agent: false, rejectUnauthorized: false }, (response) => {
    const chunks: Buffer[] = [];
    response.on("data", (chunk: Buffer) => chunks.push(chunk));
    response.on("end", () => resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() }));
  })
    .on("error", reject)
    .end();
  return promise;
}

test("metrics are for those whom the API server lets, over TLS", { timeout: 120_000 }, async () => {
  const metrics = new RuntimeMetrics();
  metrics.reconciles.inc({ controller: "gadget", result: "success" });
  await using served = await startMetricsServer({ host: "127.0.0.1", port: 0, metrics, secured: { client } });
  const url = `https://127.0.0.1:${served.port}/metrics`;
  const as = (bearer: string): Promise<Answer> => ask(url, { authorization: `Bearer ${bearer}` });
  assert.equal((await ask(url)).status, 401);
  assert.equal((await as("invented")).status, 401);
  assert.equal((await as(await token("stranger"))).status, 403);
  const read = await as(await token("scraper"));
  assert.equal(read.status, 200);
  assert.match(read.text, /controller_runtime_reconcile_total\{controller="gadget",result="success"\} 1/);
  assert.equal((await ask(url.replace("/metrics", "/debug/pprof/"))).status, 404);
  await assert.rejects(ask(url.replace("https:", "http:")));
});

test("when nobody can be asked, nobody is let in", { timeout: 120_000 }, async () => {
  const metrics = new RuntimeMetrics();
  const lost = connectCluster({
    configuration: { server: "http://127.0.0.1:1", namespace: "default" },
    userAgent: "test/1",
  });
  await using served = await startMetricsServer({ host: "127.0.0.1", port: 0, metrics, secured: { client: lost } });
  const { status, text } = await ask(`https://127.0.0.1:${served.port}/metrics`, { authorization: "Bearer x" });
  assert.equal(status, 500);
  assert.doesNotMatch(text, /controller_runtime/);
  await lost.close();
});

test("metrics are plain when they are asked to be", async () => {
  const metrics = new RuntimeMetrics({ processMetrics: true });
  await using served = await startMetricsServer({ host: "127.0.0.1", port: 0, metrics });
  const { status, text } = await ask(`http://127.0.0.1:${served.port}/metrics`);
  assert.equal(status, 200);
  assert.match(text, /^process_resident_memory_bytes /m);
  assert.match(text, /^# TYPE workqueue_depth gauge$/m);
});

test("health says what is wrong, as a whole and by name", async () => {
  let broken = false;
  const webhook = (): void => {
    if (broken) throw new Error("it does not listen");
  };
  await using served = await startHealthServer({ host: "127.0.0.1", port: 0, healthz: {}, readyz: { webhook } });
  const get = (path: string): Promise<Answer> => ask(`http://127.0.0.1:${served.port}${path}`);
  assert.deepEqual(await get("/readyz"), { status: 200, text: "ok" });
  assert.match((await get("/readyz?verbose")).text, /\[\+\]ping ok\n\[\+\]webhook ok\nreadyz check passed/);
  assert.equal((await get("/readyz/webhook")).status, 200);
  broken = true;
  assert.equal((await get("/healthz")).status, 200);
  const { status, text } = await get("/readyz");
  assert.equal(status, 500);
  assert.match(text, /\[-\]webhook failed: it does not listen\nreadyz check failed/);
  assert.equal((await get("/readyz/ping")).status, 200);
  assert.equal((await get("/readyz/other")).status, 404);
  assert.equal((await get("/other")).status, 404);
});

test("an address that is taken is an error that says so", async () => {
  await using served = await startHealthServer({ host: "127.0.0.1", port: 0, healthz: {}, readyz: {} });
  const again = startHealthServer({ host: "127.0.0.1", port: served.port, healthz: {}, readyz: {} });
  await assert.rejects(again, /cannot listen on 127\.0\.0\.1:\d+: .*EADDRINUSE/);
});
