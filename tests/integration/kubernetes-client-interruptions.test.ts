/** A cache over a bad line to a real API server that is killed, hangs, forgets and is overrun: no change is lost, and none invented. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { request as httpsRequest } from "node:https";
import { after, before, test } from "node:test";
import {
  type CacheObserver,
  type CacheOptions,
  type ClusterConfiguration,
  connectCluster,
  type KubernetesClient,
  openCache,
  type RunnableCache,
} from "@liquidmetal/kubernetes";
import { ApiGateway } from "../assets/api-gateway.ts";
import { Churn, Witness } from "../assets/kubernetes-churn.ts";
import { defineWidgets, type Widget, widgets } from "../assets/kubernetes-widget.ts";
import { type ApiServer, startApiServer } from "../assets/management-plane.ts";
import { TcpProxy } from "../assets/tcp-proxy.ts";

let started: { readonly server: ApiServer; readonly direct: KubernetesClient } | undefined;

before(
  async () => {
    const server = await startApiServer();
    await defineWidgets(server);
    started = { server, direct: connect(configurationOf(server)) };
  },
  { timeout: 300_000 },
);

after(async () => {
  await started?.direct.close();
  await started?.server[Symbol.asyncDispose]();
});

interface World extends AsyncDisposable {
  readonly server: ApiServer;
  /** Past the proxy. */
  readonly direct: KubernetesClient;
  readonly proxy: TcpProxy;
  readonly cache: RunnableCache<Widget>;
  readonly witness: Witness;
  /** What the cache told its observer. */
  readonly told: string[];
  /** Resolves when the observer is told something that matches. */
  heard(what: RegExp): Promise<void>;
}

async function open(options: CacheOptions<Widget> = {}): Promise<World> {
  if (started === undefined) throw new Error("the server did not start");
  const { server, direct } = started;
  const proxy = await TcpProxy.start(server.url);
  const client = connect({ ...configurationOf(server), server: `https://${proxy.address}` });
  const told: string[] = [];
  const waiting = new Map<RegExp, () => void>();
  const tell = (line: string): void => {
    told.push(line);
    for (const [what, resolve] of waiting) if (what.test(line)) resolve();
  };
  const heard = async (what: RegExp): Promise<void> => {
    if (told.some((line) => what.test(line))) return;
    await new Promise<void>((resolve, reject) => {
      waiting.set(what, resolve);
      setTimeout(() => reject(new Error(`never heard ${what}, only ${told.join("; ")}`)), 60_000).unref();
    });
  };
  const cache = openCache(client, widgets, { silenceMs: 90_000, ...options, observer: observerOf(tell) });
  const witness = new Witness(cache);
  const stop = new AbortController();
  const running = cache.start(stop.signal);
  await cache.synced(AbortSignal.timeout(60_000));
  const close = async (): Promise<void> => {
    stop.abort();
    await running;
    await client.close();
    await proxy[Symbol.asyncDispose]();
  };
  return { server, direct, proxy, cache, witness, told, heard, [Symbol.asyncDispose]: close };
}

test("the line is cut again and again while objects change", { timeout: 120_000 }, async () => {
  await using world = await open();
  const { direct, proxy, witness, told } = world;
  {
    await using churn = new Churn(direct, "cut");
    for (let round = 0; round < 8; round++) {
      await churn.more(25);
      proxy.cut();
    }
  }
  await witness.agrees(direct);
  assert.equal(told.filter((line) => line.startsWith("listed")).length, 1, told.join("; "));
});

test("a line that falls silent without a word is noticed, and everything is caught up with", {
  timeout: 120_000,
}, async () => {
  await using world = await open({ silenceMs: 3_000 });
  const { direct, proxy, witness, told, heard } = world;
  {
    await using churn = new Churn(direct, "silent");
    await churn.more(20);
    proxy.stall();
    await churn.more(50);
    proxy.heal();
    await heard(/watch Silent/);
  }
  await witness.agrees(direct);
  assert.equal(told.filter((line) => line.startsWith("listed")).length, 1, "it went on where it was");
});

test("a slow line delays, and loses nothing", { timeout: 120_000 }, async () => {
  await using world = await open();
  const { direct, proxy, witness } = world;
  proxy.slow(150_000);
  {
    await using churn = new Churn(direct, "slow");
    await churn.more(150);
  }
  await witness.agrees(direct);
});

test("the API server is killed in the middle of everything and comes back", { timeout: 180_000 }, async () => {
  await using world = await open();
  const { server, direct, witness, told } = world;
  {
    await using churn = new Churn(direct, "killed");
    await churn.more(20);
    await server.process("kube-apiserver").restart();
    await churn.more(20);
  }
  await witness.agrees(direct);
  assert.ok(told.includes("problem Unreachable"), told.join("; "));
  assert.ok(told.filter((line) => line.startsWith("problem")).length < 10, told.join("; "));
});

test("what happened while the server forgot: changed, new and vanished objects are all told", {
  timeout: 180_000,
}, async () => {
  await using world = await open();
  const { server, direct, proxy, witness, told, heard } = world;
  {
    await using churn = new Churn(direct, "forgot");
    await churn.more(60);
  }
  await witness.agrees(direct);
  await proxy.refuse();
  {
    await using churn = new Churn(direct, "forgot");
    await churn.more(40);
  }
  for (let index = 0; index < 10; index++)
    await direct.delete(widgets, { namespace: "default", name: `forgot-${index}` });
  await direct.create(widgets, { metadata: { namespace: "default", name: "only-now" } });
  const { resourceVersion } = await direct.list(widgets);
  await compact(server, resourceVersion);
  await server.process("kube-apiserver").restart();
  await proxy.listen();
  await heard(/watch Expired/);
  await witness.agrees(direct);
  assert.equal(told.filter((line) => line.startsWith("listed")).length, 2, told.join("; "));
});

test("an API server that hangs is waited for; its answer is believed when it is back", {
  timeout: 120_000,
}, async () => {
  await using world = await open({ silenceMs: 2_000 });
  const { server, direct, witness, heard } = world;
  const process = server.process("kube-apiserver");
  const { changes } = witness;
  await new Churn(direct, "hangs").stopAfter(1);
  await witness.agrees(direct);
  assert.ok(witness.changes > changes, "the watch is open");
  process.pause();
  try {
    await assert.rejects(direct.list(widgets, { timeoutMs: 1_000 }), { code: "DEADLINE_EXCEEDED" });
    await heard(/watch Silent/);
  } finally {
    process.resume();
  }
  await new Churn(direct, "hung").stopAfter(10);
  await witness.agrees(direct);
});

test("a storm of 429 delays writes, and none is lost or made twice", { timeout: 120_000 }, async () => {
  if (started === undefined) throw new Error("the server did not start");
  const { server, direct } = started;
  let requests = 0;
  let refused = 0;
  const refuse = (): { status: number; headers: Record<string, string> } | undefined => {
    requests += 1;
    if (requests % 3 === 0) return undefined;
    refused += 1;
    return { status: 429, headers: { "retry-after": requests % 7 === 0 ? "1" : "0" } };
  };
  await using gateway = await ApiGateway.start(server, { refuse });
  const client = connect({ server: gateway.url, namespace: "default" });
  const cache = openCache(client, widgets, { labelSelector: "storm" });
  const witness = new Witness(cache);
  const stop = new AbortController();
  const running = cache.start(stop.signal);
  const names = Array.from({ length: 40 }, (_, index) => `storm-${index}`);
  await Promise.all(
    names.map((name) =>
      client.create(
        widgets,
        { metadata: { namespace: "default", name, labels: { storm: "" } } },
        { timeoutMs: 60_000 },
      ),
    ),
  );
  await cache.synced(AbortSignal.timeout(60_000));
  await witness.agrees(direct, "storm");
  assert.equal(cache.size, 40);
  assert.ok(refused > 60, `${refused} were refused`);
  stop.abort();
  await running;
  await client.close();
});

function configurationOf(server: ApiServer): ClusterConfiguration {
  return {
    server: server.url,
    certificateAuthority: { text: server.ca },
    clientCertificate: { text: server.cert },
    clientKey: { text: server.key },
    namespace: "default",
  };
}

function connect(configuration: ClusterConfiguration): KubernetesClient {
  return connectCluster({ configuration, userAgent: "interruptions/1.0" });
}

function observerOf(tell: (line: string) => void): CacheObserver {
  return {
    onListed: ({ objects }) => tell(`listed ${objects}`),
    onWatchEnded: (reason) => tell(`watch ${reason}`),
    onProblem: (error) => tell(`problem ${error instanceof Error && "reason" in error ? error.reason : error}`),
    onRecovered: () => tell("recovered"),
    onDefect: (error) => tell(`defect ${error}`),
  };
}

/** Makes etcd forget everything before `revision`. */
async function compact(server: ApiServer, revision: string): Promise<void> {
  const { etcdAuthority, etcdClient } = server.plane.certificates;
  const [ca, cert, key] = await Promise.all(
    [etcdAuthority.certificate, etcdClient.certificate, etcdClient.key].map((file) => readFile(file)),
  );
  const status = await new Promise<number>((resolve, reject) => {
    const options = { method: "POST", ca, cert, key, headers: { "content-type": "application/json" } };
    const call = httpsRequest(`${server.plane.etcdUrl}/v3/kv/compaction`, options, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    call.on("error", reject);
    call.end(JSON.stringify({ revision, physical: true }));
  });
  assert.equal(status, 200);
}
