import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { FakeClock } from "@liquidmetal/foundation";
import { FakeCluster } from "../fake/index.ts";
import { type KubernetesObject, resource } from "../object.ts";
import { RuntimeMetrics } from "../server/runtime-metrics.ts";
import { events } from "./event.ts";
import { EventRecorder } from "./event-recorder.ts";

const widgets = resource({ group: "example.org", version: "v1", kind: "Widget", plural: "widgets", namespaced: true });
const widget = (name: string): KubernetesObject => ({ metadata: { namespace: "ns", name, uid: `uid-${name}` } });
const placed = { type: "Normal", reason: "Placed", message: "on host a" } as const;

function world() {
  const clock = new FakeClock(Date.parse("2026-11-23T18:00:00Z"));
  const cluster = new FakeCluster({ clock });
  const metrics = new RuntimeMetrics();
  const recorder = new EventRecorder({
    client: cluster.client(),
    component: "capmvm",
    instance: "pod-1",
    clock,
    metrics,
  });
  const counted = async (result: string): Promise<number> =>
    (await metrics.events.get()).values.find(({ labels }) => labels.result === result)?.value ?? 0;
  return { clock, cluster, recorder, counted };
}

describe("events", () => {
  test("say what happened to which object, as kubectl describe looks for it", async () => {
    const { cluster, recorder } = world();
    recorder.record(widgets, widget("a"), placed);
    await recorder.flush();
    const [event] = cluster.objects(events);
    assert.match(event?.metadata?.name ?? "", /^a\.[0-9a-f]{16}$/);
    assert.equal(event?.metadata?.namespace, "ns");
    assert.deepEqual(event?.involvedObject, {
      apiVersion: "example.org/v1",
      kind: "Widget",
      name: "a",
      namespace: "ns",
      uid: "uid-a",
    });
    assert.deepEqual([event?.type, event?.reason, event?.message, event?.count], ["Normal", "Placed", "on host a", 1]);
    assert.equal(event?.firstTimestamp, "2026-11-23T18:00:00Z");
    recorder.record({ ...widgets, namespaced: false }, { metadata: { name: "global" } }, placed);
    await recorder.flush();
    const namespaces = cluster.objects(events).map(({ metadata }) => metadata?.namespace);
    assert.deepEqual(namespaces.toSorted(), ["default", "ns"]);
  });

  test("the same again raises the count; after ten minutes, or when the server forgot it, it is a new one", async () => {
    const { clock, cluster, recorder } = world();
    for (let time = 0; time < 3; time++) recorder.record(widgets, widget("a"), placed);
    await recorder.flush();
    assert.deepEqual(cluster.writes(), { "Event create": 1 });
    await clock.advance(60_000);
    recorder.record(widgets, widget("a"), placed);
    await recorder.flush();
    const [event] = cluster.objects(events);
    assert.deepEqual([event?.count, event?.lastTimestamp], [4, "2026-11-23T18:01:00Z"]);
    await cluster.client().delete(events, { namespace: "ns", name: event?.metadata?.name ?? "" });
    recorder.record(widgets, widget("a"), placed);
    await recorder.flush();
    assert.equal(cluster.objects(events)[0]?.count, 1);
    await clock.advance(601_000);
    recorder.record(widgets, widget("a"), placed);
    await recorder.flush();
    assert.equal(cluster.objects(events).length, 2);
  });

  test("many texts become one event, and a noisy object is cut short without silencing others", async () => {
    const { clock, cluster, recorder, counted } = world();
    for (let index = 0; index < 40; index++)
      recorder.record(widgets, widget("a"), { ...placed, message: `try ${index}` });
    await recorder.flush();
    const told = cluster.objects(events);
    assert.equal(told.length, 11);
    assert.equal(told.find(({ message }) => message.startsWith("(combined"))?.count, 15);
    assert.equal(await counted("dropped"), 15);
    recorder.record(widgets, widget("b"), placed);
    await recorder.flush();
    assert.equal(cluster.objects(events).length, 12);
    await clock.advance(300_000);
    recorder.record(widgets, widget("a"), placed);
    await recorder.flush();
    assert.equal(await counted("dropped"), 15);
  });

  test("a server that refuses or hangs holds nobody up; the queue is bounded", async () => {
    const { clock, cluster, recorder, counted } = world();
    cluster.fail({ kind: "Event" }, { status: 403 });
    recorder.record(widgets, widget("a"), placed);
    await recorder.flush();
    assert.equal(await counted("failed"), 1);
    const slow = cluster.delay({ kind: "Event" }, 5_000);
    for (let index = 0; index < 1_500; index++) recorder.record(widgets, widget(`w${index}`), placed);
    await clock.advance(0);
    assert.ok((await counted("dropped")) >= 499, String(await counted("dropped")));
    slow[Symbol.dispose]();
    await clock.advance(5_000);
    await recorder[Symbol.asyncDispose]();
    assert.equal(clock.pendingTimers, 0);
    recorder.record(widgets, widget("late"), placed);
    assert.ok((await counted("written")) >= 1_000);
  });

  test("a server that does not answer does not keep the process from ending", async () => {
    const { clock, cluster, recorder, counted } = world();
    cluster.delay({ kind: "Event" }, 3_600_000);
    for (const name of ["a", "b", "c"]) recorder.record(widgets, widget(name), placed);
    await clock.advance(10);
    let closed = false;
    const closing = recorder[Symbol.asyncDispose]().then(() => {
      closed = true;
    });
    await clock.advance(2_000);
    assert.ok(closed);
    await closing;
    assert.equal(await counted("dropped"), 2);
  });

  test("what is told while an event is being written is counted too", async () => {
    const { clock, cluster, recorder } = world();
    cluster.delay({ kind: "Event", verb: "create" }, 1_000);
    recorder.record(widgets, widget("a"), placed);
    await clock.advance(500);
    recorder.record(widgets, widget("a"), placed);
    await clock.advance(2_000);
    await recorder.flush();
    assert.deepEqual(
      cluster.objects(events).map(({ count }) => count),
      [2],
    );
  });
});
