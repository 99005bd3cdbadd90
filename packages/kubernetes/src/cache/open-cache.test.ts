import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "@liquidmetal/foundation";
import { FakeCluster } from "../fake/index.ts";
import { type KubernetesObject, type ObjectMeta, resource } from "../object.ts";
import type { CacheChange, CacheObserver, RunnableCache } from "./cache.ts";
import { type CacheOptions, openCache } from "./open-cache.ts";

interface Widget extends KubernetesObject {
  readonly spec?: { readonly size?: number; readonly colour?: string };
}

const widgets = resource<Widget>({
  group: "example.org",
  version: "v1",
  kind: "Widget",
  plural: "widgets",
  namespaced: true,
});
const a = { namespace: "default", name: "a" };
const b = { namespace: "other", name: "b" };
const widget = (key: ObjectMeta, size: number, more: ObjectMeta = {}): Widget => ({
  metadata: { ...key, ...more },
  spec: { size },
});

interface World extends AsyncDisposable {
  readonly clock: FakeClock;
  readonly cluster: FakeCluster;
  readonly cache: RunnableCache<Widget>;
  readonly told: string[];
  readonly changes: string[];
  /** Lets everything that is under way come to rest, and time pass. */
  settle(ms?: number): Promise<void>;
}

function open(options: CacheOptions<Widget> = {}, prepare: (cluster: FakeCluster) => void = () => undefined): World {
  const clock = new FakeClock();
  const cluster = new FakeCluster({ clock });
  prepare(cluster);
  const told: string[] = [];
  const observer: CacheObserver = {
    onListed: ({ objects }) => told.push(`listed ${objects}`),
    onWatchEnded: (reason) => told.push(`watch ${reason}`),
    onProblem: (error) => told.push(`problem ${String(error instanceof Error && "reason" in error && error.reason)}`),
    onRecovered: () => told.push("recovered"),
    onDefect: (error) => told.push(`defect ${error instanceof Error ? error.message : ""}`),
  };
  const entropy = { bytes: (length: number) => new Uint8Array(length), fraction: () => 0.5 };
  const cache = openCache(cluster.client(), widgets, { ...options, clock, entropy, observer });
  const changes: string[] = [];
  cache.onChange((change) => changes.push(said(change)));
  const stop = new AbortController();
  const running = cache.start(stop.signal);
  const settle = (ms = 0): Promise<void> => clock.advance(ms);
  const end = async (): Promise<void> => {
    stop.abort();
    await running;
  };
  return { clock, cluster, cache, told, changes, settle, [Symbol.asyncDispose]: end };
}

test("it lists, then follows; listeners hear what is there and every change; indexes follow", async () => {
  const indexes = { size: ({ spec }: Widget) => [String(spec?.size)] };
  await using world = open({ indexes }, (cluster) => void cluster.put(widgets, widget(a, 1)));
  const { cluster, cache, changes, settle } = world;
  assert.equal(cache.isSynced, false);
  await cache.synced();
  const client = cluster.client();
  await client.create(widgets, widget(b, 1));
  await settle();
  assert.deepEqual(
    cache.byIndex("size", "1").map(({ metadata }) => metadata?.name),
    ["a", "b"],
  );
  assert.deepEqual(
    cache.list("other").map(({ metadata }) => metadata?.name),
    ["b"],
  );
  await client.mergePatch(widgets, a, { spec: { size: 2 } });
  await client.delete(widgets, b);
  await settle();
  assert.deepEqual([cache.byIndex("size", "1"), cache.byIndex("size", "2").length, cache.list("other")], [[], 1, []]);
  assert.deepEqual(changes, ["added a 1", "added b 1", "changed a 1>2", "deleted b 1"]);
  assert.equal(cache.get(a)?.metadata?.managedFields, undefined);
  assert.throws(() => cache.byIndex("colour", "red"), /no index "colour"/);
  const late: string[] = [];
  cache.onChange((change) => late.push(said(change)));
  assert.deepEqual(late, ["added a 2"]);
});

test("a watch that ends or breaks is resumed without a list, and nothing is missed", async () => {
  await using world = open();
  const { cluster, cache, changes, settle } = world;
  await settle(10_000);
  for (const how of ["end", "reset"] as const) {
    cluster.dropWatches(how);
    await cluster.client().create(widgets, widget({ ...a, name: how }, 1));
    await settle(2_000);
  }
  assert.deepEqual(changes, ["added end 1", "added reset 1"]);
  assert.equal(cluster.count({ verb: "list" }), 1);
  assert.equal(cluster.openWatches(widgets), 1);
  assert.equal(cache.size, 2);
});

test("after 410 it lists again, and what happened in between is told, what vanished too", async () => {
  await using world = open({}, (cluster) => {
    for (const name of ["gone", "same", "other"]) cluster.put(widgets, widget({ ...a, name }, 1));
  });
  const { cluster, changes, told, settle } = world;
  await settle(10_000);
  changes.length = 0;
  const client = cluster.client();
  cluster.stallWatches();
  await client.delete(widgets, { ...a, name: "gone" });
  await client.mergePatch(widgets, { ...a, name: "other" }, { spec: { size: 2 } });
  await client.create(widgets, widget({ ...a, name: "new" }, 1));
  cluster.compact();
  cluster.dropWatches();
  await settle(2_000);
  assert.deepEqual(changes.sort(), ["added new 1", "changed other 1>2", "deleted gone 1"]);
  assert.deepEqual(told, ["listed 3", "watch ended", "watch Expired", "listed 3"]);
});

test("a silent watch is opened again and catches up, without a list", async () => {
  await using world = open({ silenceMs: 60_000 });
  const { cluster, changes, told, settle } = world;
  await settle();
  cluster.stallWatches();
  await cluster.client().create(widgets, widget(a, 1));
  await settle(59_000);
  assert.deepEqual(changes, []);
  await settle(1_100);
  assert.deepEqual(changes, ["added a 1"]);
  assert.deepEqual(told, ["listed 0", "watch Silent"]);
});

test("what fails is told once a reason and tried ever more slowly; Retry-After is heeded; recovery is told", async () => {
  await using world = open({}, (cluster) => {
    cluster.fail({ verb: "list" }, { status: 403, times: 6 });
    cluster.fail({ verb: "list" }, { status: 429, retryAfterMs: 100_000, nth: 7 });
  });
  const { cluster, cache, told, settle } = world;
  await settle(5_000);
  assert.deepEqual([told, cluster.count({ verb: "list" })], [["problem Forbidden"], 4]);
  await settle(20_000);
  assert.deepEqual([told.at(-1), cluster.count({ verb: "list" })], ["problem TooManyRequests", 7]);
  await settle(93_000);
  assert.equal(cluster.count({ verb: "list" }), 7);
  await settle(30_000);
  assert.deepEqual(told, ["problem Forbidden", "problem TooManyRequests", "recovered", "listed 0"]);
  assert.equal(cache.isSynced, true);
});

test("a server whose watches always expire or end at once is not hammered", async () => {
  for (const status of [410, 0]) {
    await using world = open({}, (cluster) => void cluster.fail({ verb: "watch" }, { status, times: 1_000_000 }));
    await world.settle(120_000);
    assert.ok(world.cluster.count({ verb: "watch" }) < 25, `${world.cluster.count({ verb: "watch" })} watches`);
  }
  await using world = open();
  world.cluster.onCall((call, moment) => {
    if (call.verb === "watch" && moment === "after") queueMicrotask(() => world.cluster.dropWatches());
  });
  await world.settle(120_000);
  assert.ok(world.cluster.count({ verb: "watch" }) < 25);
});

test("an answer to a write is known at once, its echo is no change, and it raises nobody from the dead", async () => {
  await using world = open({ labelSelector: "app=x" });
  const { cluster, cache, changes, settle } = world;
  const client = cluster.client();
  const labels = { app: "x" };
  await settle();
  const made = await client.create(widgets, widget(a, 1, { labels, finalizers: ["x/y"] }));
  cache.learn(made);
  assert.equal(cache.get(a)?.spec?.size, 1);
  await settle();
  cluster.stallWatches();
  const older = await client.mergePatch(widgets, a, { spec: { size: 2 } });
  const newer = await client.mergePatch(widgets, a, { spec: { size: 3 } });
  cache.learn(newer);
  cache.learn(older);
  cluster.dropWatches();
  await settle(2_000);
  await client.delete(widgets, a);
  const last = await client.mergePatch(widgets, a, { metadata: { finalizers: [] } });
  await settle();
  cache.learn(last);
  cache.learn(newer);
  cache.learn(await client.create(widgets, widget(b, 1, { labels: { app: "y" } })));
  assert.deepEqual(changes, ["added a 1", "changed a 1>3", "changed a 3>3", "deleted a 3"]);
  assert.deepEqual(cache.list(), []);
});

test("an object made anew is a deleted and an added one; its late predecessor changes nothing", async () => {
  await using world = open();
  const { cluster, cache, changes, settle } = world;
  const client = cluster.client();
  await client.create(widgets, widget(a, 1));
  await settle();
  cluster.stallWatches();
  await client.delete(widgets, a);
  cache.learn(await client.create(widgets, widget(a, 2)));
  assert.deepEqual(changes, ["added a 1", "deleted a 1", "added a 2"]);
  cluster.dropWatches("reset");
  await settle(2_000);
  assert.deepEqual([changes.length, cache.get(a)?.spec?.size], [3, 2]);
});

test("a listener, index or transform that throws is told, and harms nobody else; a listener's own changes come after", async () => {
  const indexes = {
    colour: ({ spec }: Widget) => {
      if (spec?.size === 1) throw new Error("no index");
      return ["red"];
    },
  };
  await using world = open({ indexes });
  const { cluster, cache, told, changes, settle } = world;
  const client = cluster.client();
  await settle();
  cache.onChange(() => {
    throw new Error("no listener");
  });
  const order: string[] = [];
  const next = await client.create(widgets, widget(b, 2));
  cache.onChange((change) => {
    if (said(change) === "added a 1")
      cache.learn({ ...next, metadata: { ...next.metadata, resourceVersion: "999999" } });
  });
  cache.onChange((change) => order.push(said(change)));
  await client.create(widgets, widget(a, 1));
  await settle();
  assert.deepEqual(order, ["added b 2", "added a 1", "changed b 2>2"]);
  assert.deepEqual(changes, order);
  assert.ok(told.includes("defect no listener") && told.includes("defect no index"));
  assert.equal(cache.byIndex("colour", "red").length, 1);
});

test("a resync tells every object again", async () => {
  await using world = open({ resyncMs: 60_000 }, (cluster) => void cluster.put(widgets, widget(a, 1)));
  await world.settle(120_500);
  assert.deepEqual(world.changes, ["added a 1", "changed a 1>1", "changed a 1>1"]);
});

test("waiting for the first list ends with its signal", async () => {
  await using world = open({}, (cluster) => void cluster.fail({ verb: "list" }, { status: 503, times: 99 }));
  const stop = new AbortController();
  const waiting = world.cache.synced(stop.signal);
  stop.abort(new Error("enough"));
  await assert.rejects(waiting, /enough/);
});

function said(change: CacheChange<Widget>): string {
  const size = change.object.spec?.size;
  const sizes = change.type === "changed" ? `${change.previous.spec?.size}>${size}` : String(size);
  return `${change.type} ${change.object.metadata?.name} ${sizes}`;
}
