import assert from "node:assert/strict";
import { test } from "node:test";
import { isConflict, isExpired, isInvalid, isNotFound } from "../client/api-error.ts";
import type { WatchEvent } from "../client/client.ts";
import { type Condition, type KubernetesObject, resource } from "../object.ts";
import { FakeCluster } from "./index.ts";

interface Widget extends KubernetesObject {
  readonly spec?: { readonly size?: number; readonly colour?: string };
  readonly status?: { readonly ready?: boolean; readonly conditions?: readonly Condition[] };
}

const widgets = resource<Widget>({
  group: "example.org",
  version: "v1",
  kind: "Widget",
  plural: "widgets",
  namespaced: true,
});
const key = { namespace: "default", name: "a" };
const widget = (spec: Widget["spec"], more: KubernetesObject["metadata"] = {}): Widget => ({
  metadata: { ...key, ...more },
  spec: spec ?? {},
});

test("generation counts changes of the desired state only; a write that changes nothing keeps the version", async () => {
  const client = new FakeCluster().client();
  const made = await client.create(widgets, widget({ size: 1 }));
  assert.equal(made.metadata?.generation, 1);
  assert.equal(made.apiVersion, "example.org/v1");
  const same = await client.mergePatch(widgets, key, { spec: { size: 1 } });
  assert.equal(same.metadata?.resourceVersion, made.metadata?.resourceVersion);
  const larger = await client.mergePatch(widgets, key, { spec: { size: 2 } });
  assert.equal(larger.metadata?.generation, 2);
  const ready = await client.apply(widgets, key, { status: { ready: true } }, { subresource: "status" });
  assert.equal(ready.metadata?.generation, 2);
  assert.deepEqual([ready.spec, ready.status], [{ size: 2 }, { ready: true }]);
  await assert.rejects(client.replace(widgets, made), isConflict);
});

test("an object with finalizers stays until the last is taken away", async () => {
  const client = new FakeCluster().client();
  await client.create(widgets, widget({}, { finalizers: ["example.org/f"] }));
  await client.delete(widgets, key);
  const deleting = await client.get(widgets, key);
  assert.ok(deleting.metadata?.deletionTimestamp !== undefined);
  await assert.rejects(
    client.mergePatch(widgets, key, { metadata: { finalizers: ["example.org/f", "x/y"] } }),
    isInvalid,
  );
  await client.mergePatch(widgets, key, { metadata: { finalizers: null } });
  await assert.rejects(client.get(widgets, key), isNotFound);
  await client.delete(widgets, key);
});

test("apply owns what it states, drops what it no longer states, and leaves others' fields", async () => {
  const client = new FakeCluster().client({ fieldManager: "us" });
  await client.apply(widgets, key, {
    metadata: { labels: { a: "1", b: "2" }, finalizers: ["us/f"] },
    spec: { size: 1 },
  });
  await client.apply(
    widgets,
    key,
    { metadata: { finalizers: ["them/f"] }, spec: { colour: "red" } },
    { fieldManager: "them" },
  );
  const after = await client.apply(widgets, key, { metadata: { labels: { a: "1" } }, spec: { size: 2 } });
  assert.deepEqual(after.metadata?.labels, { a: "1" });
  assert.deepEqual(after.metadata?.finalizers, ["them/f"]);
  assert.deepEqual(after.spec, { size: 2, colour: "red" });
  await assert.rejects(client.apply(widgets, key, { spec: { colour: "blue" } }, { force: false }), isConflict);
  const blue = await client.apply(widgets, key, { spec: { size: 2, colour: "blue" } });
  assert.deepEqual(blue.spec, { size: 2, colour: "blue" });
});

test("conditions of two managers live side by side", async () => {
  const client = new FakeCluster().client({ fieldManager: "us" });
  await client.create(widgets, widget({}));
  const condition = (type: string, reason: string): Condition => ({
    type,
    status: "True",
    reason,
    message: "",
    lastTransitionTime: "2026-01-01T00:00:00Z",
  });
  const status = { subresource: "status" };
  await client.apply(widgets, key, { status: { conditions: [condition("A", "x"), condition("B", "x")] } }, status);
  await client.apply(
    widgets,
    key,
    { status: { conditions: [condition("C", "x")] } },
    { ...status, fieldManager: "them" },
  );
  const after = await client.apply(widgets, key, { status: { conditions: [condition("B", "y")] } }, status);
  assert.deepEqual(
    after.status?.conditions?.map(({ type, reason }) => `${type}:${reason}`),
    ["B:y", "C:x"],
  );
  const again = await client.apply(widgets, key, { status: { conditions: [condition("B", "y")] } }, status);
  assert.equal(again.metadata?.resourceVersion, after.metadata?.resourceVersion);
});

test("a watch sees changes since its version, bookmarks, its end, and 410 after compaction", async () => {
  const cluster = new FakeCluster();
  const client = cluster.client();
  const { resourceVersion } = await client.list(widgets);
  await client.create(widgets, widget({ size: 1 }, { labels: { app: "x" } }));
  const seen: string[] = [];
  const watching = (async () => {
    for await (const event of client.watch(widgets, { resourceVersion, labelSelector: "app=x" }))
      seen.push(said(event));
  })();
  await client.mergePatch(widgets, key, { spec: { size: 2 } });
  await client.mergePatch(widgets, key, { metadata: { labels: { app: "y" } } });
  await client.mergePatch(widgets, key, { metadata: { labels: { app: "x" } } });
  await client.delete(widgets, key);
  cluster.bookmark();
  cluster.dropWatches();
  await watching;
  assert.deepEqual(seen, ["ADDED 1", "MODIFIED 2", "DELETED 2", "ADDED 2", "DELETED 2", "BOOKMARK"]);
  cluster.compact();
  await assert.rejects(async () => {
    for await (const _ of client.watch(widgets, { resourceVersion })) assert.fail("nothing comes");
  }, isExpired);
});

test("calls fail as scripted, before or after their effect; hooks see each call twice; writes are counted", async () => {
  const cluster = new FakeCluster();
  const client = cluster.client();
  cluster.fail({ verb: "create" }, { status: 503, nth: 2 });
  cluster.fail({ verb: "mergePatch", kind: "Widget" }, { status: 0, when: "after" });
  const moments: string[] = [];
  using _hook = cluster.onCall(({ verb }, moment) => void moments.push(`${moment} ${verb}`));
  await client.create(widgets, widget({ size: 1 }));
  await assert.rejects(client.create(widgets, widget({}, { name: "b" })), {
    httpStatus: 503,
    code: "KUBERNETES_UNAVAILABLE",
  });
  await assert.rejects(client.mergePatch(widgets, key, { spec: { size: 5 } }), { reason: "Unreachable" });
  assert.deepEqual((await client.get(widgets, key)).spec, { size: 5 });
  assert.deepEqual(moments.slice(0, 3), ["before create", "after create", "before create"]);
  assert.deepEqual(cluster.writes(), { "Widget create": 2, "Widget mergePatch": 1 });
  assert.equal(cluster.count({ verb: "get", name: "a" }), 1);
});

test("garbage is collected when asked for; foreground deletion waits for dependents", async () => {
  const cluster = new FakeCluster({ collectGarbage: true });
  const client = cluster.client();
  const owner = await client.create(widgets, widget({}));
  const reference = {
    apiVersion: "example.org/v1",
    kind: "Widget",
    name: "a",
    uid: owner.metadata?.uid ?? "",
    blockOwnerDeletion: true,
  };
  const child = { ...key, name: "child" };
  await client.create(widgets, widget({}, { name: "child", ownerReferences: [reference], finalizers: ["x/y"] }));
  await client.delete(widgets, key, { propagationPolicy: "Foreground" });
  assert.deepEqual((await client.get(widgets, key)).metadata?.finalizers, ["foregroundDeletion"]);
  await client.mergePatch(widgets, child, { metadata: { finalizers: [] } });
  assert.deepEqual(cluster.objects(widgets), []);
});

function said(event: WatchEvent<Widget>): string {
  return event.type === "BOOKMARK" ? event.type : `${event.type} ${event.object.spec?.size}`;
}
