import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock, PlatformError } from "@liquidmetal/foundation";
import { FakeCluster } from "../fake/index.ts";
import { leases } from "../leader-election/lease.ts";
import { silentLogger } from "../logger.ts";
import { type KubernetesObject, resource } from "../object.ts";
import { RuntimeMetrics } from "../server/runtime-metrics.ts";
import { MemoryCache } from "./memory-cache.ts";
import { type RuntimeOptions, runRuntime, type Service } from "./runtime.ts";
import { startController } from "./start-controller.ts";

const widgets = resource({ group: "example.org", version: "v1", kind: "Widget", plural: "widgets", namespaced: true });
const entropy = { bytes: (length: number) => new Uint8Array(length), fraction: () => 0 };
const lease = { namespace: "system", name: "elect" };

function world(more: Partial<RuntimeOptions> = {}) {
  const clock = new FakeClock();
  const cluster = new FakeCluster({ clock, entropy });
  const log: string[] = [];
  const filled = Promise.withResolvers<void>();
  const objects = new MemoryCache<KubernetesObject>();
  objects.put({ metadata: { namespace: "ns", name: "a" } });
  const service = (name: string): Service => ({
    name,
    start: async () => {
      log.push(`${name} up`);
      return { [Symbol.asyncDispose]: async () => void log.push(`${name} down`) };
    },
  });
  const cache = {
    isSynced: false,
    start: (signal: AbortSignal) =>
      new Promise<void>((resolve) =>
        signal.addEventListener("abort", () => {
          log.push("cache ends");
          resolve();
        }),
      ),
    synced: (signal?: AbortSignal) =>
      Promise.race([
        filled.promise,
        new Promise<never>((_resolve, reject) => signal?.addEventListener("abort", () => reject(signal.reason))),
      ]),
  };
  const ends = Promise.withResolvers<void>();
  const reconcile = async (_key: unknown, { signal }: { readonly signal: AbortSignal }): Promise<undefined> => {
    log.push("reconcile begins");
    await Promise.race([
      ends.promise,
      new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
    ]).catch((error: unknown) => {
      log.push("reconcile aborted");
      throw error;
    });
    log.push("reconcile ends");
  };
  const metrics = new RuntimeMetrics();
  const stop = new AbortController();
  const ended = runRuntime(
    {
      clock,
      entropy,
      metrics,
      logger: silentLogger,
      services: [service("health"), service("webhooks")],
      caches: [{ name: "Widget", cache }],
      leaderServices: [service("hosts")],
      controllers: [
        (ports) =>
          startController({ name: "widget", resource: widgets, cache: objects, triggers: [], reconcile }, ports),
      ],
      leaderElection: { client: cluster.client(), lease, identity: "us" },
      ...more,
    },
    stop.signal,
  );
  ended.catch(() => log.push("ended with an error"));
  return { clock, cluster, log, filled, ends, stop, ended, metrics };
}

test("comes up in order and goes down in reverse, letting the work under way end and releasing the lease", async () => {
  const { clock, cluster, log, filled, ends, stop, ended } = world();
  await clock.advance(1_000);
  assert.deepEqual(log, ["health up", "webhooks up"]);
  assert.equal(cluster.read(leases, lease), undefined);
  filled.resolve();
  await clock.advance(100);
  assert.deepEqual(log.slice(2), ["hosts up", "reconcile begins"]);
  assert.equal(cluster.read(leases, lease)?.spec?.holderIdentity, "us");
  stop.abort();
  await clock.advance(5_000);
  assert.equal(cluster.read(leases, lease)?.spec?.holderIdentity, "us");
  ends.resolve();
  await clock.advance(100);
  await ended;
  assert.deepEqual(log.slice(4), ["reconcile ends", "hosts down", "cache ends", "webhooks down", "health down"]);
  assert.equal(cluster.read(leases, lease)?.spec?.holderIdentity, "");
});

test("work that does not end within the grace is aborted", async () => {
  const { clock, log, filled, stop, ended } = world({ graceMs: 3_000 });
  filled.resolve();
  await clock.advance(100);
  stop.abort();
  await clock.advance(2_900);
  assert.ok(!log.includes("reconcile aborted"));
  await clock.advance(200);
  await ended;
  assert.ok(log.includes("reconcile aborted"));
});

test("lost leadership ends everything at once, with an error", async () => {
  const { clock, cluster, log, filled, ended, metrics } = world();
  filled.resolve();
  await clock.advance(100);
  assert.match(await metrics.registry.metrics(), /leader_election_master_status\{name="elect"\} 1/);
  cluster.fail({ kind: "Lease" }, { status: 503, times: 1_000 });
  await clock.advance(10_100);
  await assert.rejects(ended, (error: unknown) => error instanceof PlatformError && error.code === "LEADERSHIP_LOST");
  assert.ok(log.includes("reconcile aborted") && log.includes("health down"));
  assert.match(await metrics.registry.metrics(), /leader_election_master_status\{name="elect"\} 0/);
});

test("webhooks and health serve while another instance leads", async () => {
  const { clock, cluster, log, filled, stop, ended } = world();
  const renewTime = "2026-11-23T18:00:00.000000Z";
  cluster.put(leases, { metadata: lease, spec: { holderIdentity: "other", leaseDurationSeconds: 3_600, renewTime } });
  filled.resolve();
  await clock.advance(60_000);
  assert.deepEqual(log, ["health up", "webhooks up"]);
  stop.abort();
  await clock.advance(100);
  await ended;
  assert.equal(cluster.read(leases, lease)?.spec?.holderIdentity, "other");
});

test("kinds that cannot be listed are named", async () => {
  const { clock, ended } = world();
  await clock.advance(121_000);
  await assert.rejects(ended, /could not be listed: Widget/);
});
