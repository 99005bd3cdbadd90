/** Much of it: five thousand objects in pages, objects of a megabyte, and what the cache needs for them. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { connectCluster, type KubernetesClient, loadKubeconfig, openCache } from "@liquidmetal/kubernetes";
import { Witness } from "../assets/kubernetes-churn.ts";
import { defineWidgets, type Widget, widgets } from "../assets/kubernetes-widget.ts";
import { type ApiServer, startApiServer } from "../assets/management-plane.ts";

let server: ApiServer | undefined;
let client: KubernetesClient | undefined;

before(
  async () => {
    server = await startApiServer();
    await defineWidgets(server);
    client = connectCluster({
      configuration: await loadKubeconfig({ path: server.kubeconfigFile }),
      userAgent: "large/1.0",
      // Small enough that a page of large objects does not fit.
      answerLimitBytes: 8_388_608,
    });
  },
  { timeout: 300_000 },
);

after(async () => {
  await client?.close();
  await server?.[Symbol.asyncDispose]();
});

test("five thousand objects are made, listed in pages, cached and followed", { timeout: 300_000 }, async () => {
  const own = connected();
  const names = Array.from({ length: 5_000 }, (_, index) => `many-${index}`);
  let next = 0;
  await Promise.all(
    Array.from({ length: 32 }, async () => {
      for (let name = names[next++]; name !== undefined; name = names[next++]) {
        await own.create(widgets, {
          metadata: { namespace: "default", name, labels: { many: "" } },
          spec: { size: 1 },
        });
      }
    }),
  );
  const { items } = await own.list(widgets, { labelSelector: "many", pageSize: 333 });
  assert.deepEqual(new Set(items.map(({ metadata }) => metadata?.name)), new Set(names));
  assert.equal(items.length, 5_000);
  const listed: number[] = [];
  const cache = openCache(own, widgets, { observer: { onListed: ({ durationMs }) => void listed.push(durationMs) } });
  const witness = new Witness(cache);
  const stop = new AbortController();
  const running = cache.start(stop.signal);
  await cache.synced(AbortSignal.timeout(60_000));
  await witness.agrees(own);
  assert.ok((listed[0] ?? 0) < 15_000, `the list took ${listed[0]} ms`);
  for (let index = 0; index < 100; index++) {
    await own.mergePatch(widgets, { namespace: "default", name: `many-${index * 50}` }, { spec: { size: 2 } });
  }
  await witness.agrees(own);
  assert.equal(witness.changes, 5_100);
  stop.abort();
  await running;
});

test("objects of a megabyte go through list, watch and write", { timeout: 120_000 }, async () => {
  const own = connected();
  const cache = openCache(own, widgets, { labelSelector: "large", transform: withoutBallast });
  const witness = new Witness(cache);
  const stop = new AbortController();
  const running = cache.start(stop.signal);
  await cache.synced();
  const ballast = "x".repeat(240_000);
  // A quarter of a megabyte is the most that annotations may be together; the rest is in the spec.
  const large = (index: number): Widget => ({
    metadata: { namespace: "default", name: `large-${index}`, labels: { large: "" }, annotations: { ballast } },
    spec: { parts: [ballast, ballast, ballast], size: index },
  });
  for (let index = 0; index < 20; index++) await own.create(widgets, large(index));
  await witness.agrees(own, "large");
  const { items } = await own.list(widgets, { labelSelector: "large" });
  assert.equal(items.length, 20, "although a page of them is larger than what the client takes");
  assert.ok(items.every(({ spec }) => spec?.parts?.[2] === ballast));
  assert.ok(
    cache.list().every(({ metadata, spec }) => metadata?.annotations === undefined && spec?.parts === undefined),
  );
  const tooLarge = { ...large(99), spec: { parts: Array.from({ length: 20 }, () => ballast) } };
  await assert.rejects(own.create(widgets, tooLarge), (error: unknown) => {
    return error instanceof Error && /too large|limit/i.test(error.message);
  });
  stop.abort();
  await running;
});

function connected(): KubernetesClient {
  if (client === undefined) throw new Error("the server did not start");
  return client;
}

function withoutBallast(widget: Widget): Widget {
  const { annotations: _, managedFields: __, ...metadata } = widget.metadata ?? {};
  return { ...widget, metadata, spec: { size: widget.spec?.size ?? 0 } };
}
