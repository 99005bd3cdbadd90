import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { FakeClock, PlatformError } from "@liquidmetal/foundation";
import { ApiError } from "../client/api-error.ts";
import { type Logger, silentLogger } from "../logger.ts";
import { type KubernetesObject, keyText, type ObjectKey, resource } from "../object.ts";
import { RuntimeMetrics } from "../server/runtime-metrics.ts";
import type { ControllerOptions, Reconcile } from "./controller.ts";
import { MemoryCache } from "./memory-cache.ts";
import { RetryDelay } from "./retry-delay.ts";
import { startController } from "./start-controller.ts";
import { handTrigger, toIndexed, toLabelled, toOwners, watchObjects } from "./triggers.ts";

const widgets = resource({ group: "example.org", version: "v1", kind: "Widget", plural: "widgets", namespaced: true });
const key = (name: string): ObjectKey => ({ namespace: "ns", name });
const widget = (name: string, metadata: KubernetesObject["metadata"] = {}): KubernetesObject => ({
  metadata: { namespace: "ns", name, ...metadata },
});
const entropy = { bytes: (length: number) => new Uint8Array(length), fraction: () => 0 };

function world(
  reconcile: Reconcile,
  more: Partial<ControllerOptions<KubernetesObject>> = {},
  logger: Logger = silentLogger,
) {
  const clock = new FakeClock();
  const metrics = new RuntimeMetrics();
  const cache = new MemoryCache<KubernetesObject>();
  const controller = startController(
    { name: "widget", resource: widgets, cache, triggers: [], reconcile, ...more },
    { clock, entropy, metrics, logger },
  );
  const counted = async (name: string, labels: Record<string, string> = {}): Promise<number> => {
    const metric = await metrics.registry.getSingleMetric(name)?.get();
    const found = metric?.values.find((value) =>
      Object.entries(labels).every(([label, text]) => value.labels[label] === text),
    );
    return Number(found?.value ?? 0);
  };
  return { clock, metrics, cache, controller, counted };
}

describe("a controller", () => {
  test("works on each object of its cache, on changes, deletions and triggers, and not on what it does not accept", async () => {
    const seen: string[] = [];
    const hand = handTrigger();
    const { cache, clock, controller } = world(async (at) => void seen.push(keyText(at)), {
      triggers: [hand],
      accepts: ({ metadata }) => metadata?.labels?.["skip"] === undefined,
    });
    cache.put(widget("a"));
    cache.put(widget("skipped", { labels: { skip: "" } }));
    await clock.advance(0);
    cache.put(widget("a", { generation: 2 }));
    await clock.advance(0);
    cache.remove(key("a"));
    hand.pull(key("b"));
    hand.pull(key("skipped"));
    hand.pull(key("late"), 5_000);
    await clock.advance(4_999);
    assert.deepEqual(seen, ["ns/a", "ns/a", "ns/a", "ns/b"]);
    await clock.advance(1);
    assert.equal(seen.at(-1), "ns/late");
    await controller.stop();
    hand.pull(key("never"));
    await clock.advance(60_000);
    assert.equal(seen.length, 5);
    assert.equal(clock.pendingTimers, 0);
  });

  test("tries failures again after 5, 10, 20 … ms, and forgets them on success", async () => {
    const at: number[] = [];
    const { clock, controller, counted } = world(async (_key, { failures }) => {
      at.push(clock.monotonicMs());
      if (at.length <= 4) throw new PlatformError("UNAVAILABLE", "no");
      assert.equal(failures, at.length === 5 ? 4 : 0);
      return at.length === 5 ? { requeueAfterMs: 1_000 } : undefined;
    });
    controller.enqueue(key("a"));
    await clock.advance(60_000);
    assert.deepEqual(at, [0, 5, 15, 35, 75, 1_075]);
    assert.equal(await counted("controller_runtime_reconcile_total", { result: "error" }), 4);
    assert.equal(await counted("controller_runtime_reconcile_total", { result: "requeue_after" }), 1);
    assert.equal(await counted("controller_runtime_reconcile_total", { result: "success" }), 1);
    assert.equal(await counted("workqueue_retries_total"), 4);
    await controller.stop();
  });

  test("what only a change can heal is tried at the change, and slowly otherwise", async () => {
    let calls = 0;
    const { clock, cache, controller, counted } = world(async () => {
      calls++;
      throw new PlatformError("SPEC_INVALID", "never so");
    });
    cache.put(widget("a"));
    await clock.advance(100_000);
    assert.equal(calls, 1);
    cache.put(widget("a", { generation: 2 }));
    await clock.advance(1);
    assert.equal(calls, 2);
    await clock.advance(121_000);
    assert.equal(calls, 3);
    assert.equal(await counted("controller_runtime_terminal_reconcile_errors_total"), 3);
    await controller.stop();
  });

  test("survives and counts panics, also those thrown before the first await", async () => {
    let calls = 0;
    const { clock, controller, counted } = world((): Promise<undefined> => {
      calls++;
      if (calls < 3) throw new TypeError("undefined is not a function");
      return Promise.resolve(undefined);
    });
    controller.enqueue(key("a"));
    await clock.advance(1_000);
    assert.equal(calls, 3);
    assert.equal(await counted("controller_runtime_reconcile_panics_total"), 2);
    await controller.stop();
  });

  test("names a reconcile that takes suspiciously long", async () => {
    const slow: unknown[] = [];
    const logger = {
      ...silentLogger,
      warn: (event: string, fields?: Readonly<Record<string, unknown>>) =>
        void slow.push([event, fields?.["elapsedMs"]]),
    };
    const end = Promise.withResolvers<undefined>();
    const { clock, controller, counted } = world(() => end.promise, {}, logger);
    controller.enqueue(key("a"));
    await clock.advance(130_000);
    assert.deepEqual(slow, [
      ["reconcile.slow", 60_000],
      ["reconcile.slow", 120_000],
    ]);
    assert.equal(await counted("workqueue_longest_running_processor_seconds"), 130);
    assert.equal(await counted("controller_runtime_active_workers"), 1);
    end.resolve(undefined);
    await controller.stop();
    assert.equal(clock.pendingTimers, 0);
  });

  test("looks at everything again at each resync", async () => {
    let calls = 0;
    const { clock, cache, controller } = world(async () => void calls++, { resyncPeriodMs: 600_000 });
    cache.put(widget("a"));
    cache.put(widget("b"));
    await clock.advance(599_999);
    assert.equal(calls, 2);
    await clock.advance(60_000);
    assert.equal(calls, 4);
    await controller.stop();
  });

  test("stops: takes nothing more, lets what runs end within the grace, then aborts it", async () => {
    const seen: string[] = [];
    const ends = new Map<string, PromiseWithResolvers<undefined>>();
    const { clock, controller } = world(
      async (at, { signal }) => {
        seen.push(at.name);
        const end = Promise.withResolvers<undefined>();
        ends.set(at.name, end);
        signal.addEventListener("abort", () => end.reject(signal.reason), { once: true });
        await end.promise;
        seen.push(`${at.name} done`);
        return { requeueAfterMs: 1 };
      },
      { concurrency: 2 },
    );
    for (const name of ["a", "b", "waits"]) controller.enqueue(key(name));
    await clock.advance(0);
    const stopped = controller.stop({ graceMs: 10_000 });
    ends.get("a")?.resolve(undefined);
    await clock.advance(9_999);
    assert.deepEqual(seen, ["a", "b", "a done"]);
    await clock.advance(1);
    await stopped;
    assert.deepEqual(seen, ["a", "b", "a done"]);
    assert.equal(clock.pendingTimers, 0);
  });
});

describe("retry delays", () => {
  test("never beyond 1,000 s and its jitter; a server's Retry-After is heard; many failures are spread to 10 a second", () => {
    const clock = new FakeClock();
    const delays = new RetryDelay(clock, { ...entropy, fraction: () => 0.999 });
    const failure = new PlatformError("UNAVAILABLE", "no");
    for (let time = 0; time < 40; time++) delays.after("a", failure);
    const capped = delays.after("a", failure);
    assert.ok(capped >= 1_000_000 && capped <= 1_200_000, String(capped));
    assert.ok(delays.after("b", new ApiError("busy", { httpStatus: 429, retryAfterMs: 7_000 })) >= 7_000);
    const all = Array.from({ length: 1_000 }, (_, index) => delays.after(`k${index}`, failure));
    const last = all.at(-1) ?? 0;
    assert.ok(last > 90_000 && last < 100_000, String(last));
  });
});

describe("triggers", () => {
  test("map changes to owners (in any version), to labels and to dependents", async () => {
    const seen = new Set<string>();
    const machines = new MemoryCache<KubernetesObject>();
    const dependents = new MemoryCache<KubernetesObject>({ cluster: ({ metadata }) => metadata?.labels?.["cluster"] });
    dependents.put(widget("dep-1", { labels: { cluster: "c" } }));
    dependents.put(widget("dep-2", { labels: { cluster: "other" } }));
    const { clock, controller } = world(async (at) => void seen.add(keyText(at)), {
      triggers: [
        watchObjects(machines, toOwners({ group: "example.org", kind: "Widget", namespaced: true })),
        watchObjects(machines, toLabelled("cluster")),
        watchObjects(
          machines,
          toIndexed(dependents, "cluster", ({ metadata }) => metadata?.labels?.["cluster"]),
        ),
      ],
    });
    const owner = { kind: "Widget", name: "owner", uid: "1" };
    machines.put(
      widget("m", {
        labels: { cluster: "c" },
        ownerReferences: [
          { ...owner, apiVersion: "example.org/v1alpha9" },
          { ...owner, apiVersion: "elsewhere.org/v1", name: "wrong group" },
          { ...owner, apiVersion: "v1", name: "core group" },
        ],
      }),
    );
    await clock.advance(0);
    assert.deepEqual([...seen].toSorted(), ["ns/c", "ns/dep-1", "ns/owner"]);
    await controller.stop();
  });
});
