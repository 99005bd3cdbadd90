import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Clock, FakeClock, PlatformError, type Timer } from "@liquidmetal/foundation";
import fc from "fast-check";
import { ApiError } from "../client/api-error.ts";
import type { KubernetesClient } from "../client/client.ts";
import { FakeCluster } from "../fake/index.ts";
import { leaderIdentity, runAsLeader } from "./leader-elector.ts";
import { leases, microTime } from "./lease.ts";

const key = { namespace: "system", name: "controller-leader-elect" };
const entropy = { bytes: (length: number) => new Uint8Array(length), fraction: () => 0.5 };
const forever = (lost: AbortSignal): Promise<void> =>
  new Promise((_resolve, reject) => lost.addEventListener("abort", () => reject(lost.reason), { once: true }));
const until =
  (end: AbortSignal) =>
  (lost: AbortSignal): Promise<void> =>
    new Promise((resolve, reject) => {
      end.addEventListener("abort", () => resolve(), { once: true });
      lost.addEventListener("abort", () => reject(lost.reason), { once: true });
    });

function world() {
  const clock = new FakeClock();
  const cluster = new FakeCluster({ clock, entropy });
  const log: string[] = [];
  const elector = (identity: string, stop: AbortSignal, client: KubernetesClient = cluster.client()) => {
    const onLeading = (leading: boolean): void => void log.push(`${identity} ${leading ? "leads" : "stops"}`);
    const ended = runAsLeader({ client, clock, entropy, lease: key, identity, onLeading }, until(stop), stop);
    ended.catch(() => log.push(`${identity} lost`));
    return ended;
  };
  return { clock, cluster, log, elector };
}

describe("leader election", () => {
  test("one leads, the other waits; a released lease is taken within a retry period", async () => {
    const { clock, cluster, log, elector } = world();
    const [first, second] = [new AbortController(), new AbortController()];
    const ended = elector("a", first.signal);
    await clock.advance(100);
    const other = elector("b", second.signal);
    await clock.advance(60_000);
    assert.deepEqual(log, ["a leads"]);
    const held = cluster.read(leases, key)?.spec;
    assert.equal(held?.holderIdentity, "a");
    assert.deepEqual([held?.leaseDurationSeconds, held?.leaseTransitions], [15, 0]);
    assert.match(held?.renewTime ?? "", /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
    first.abort();
    await clock.advance(2_500);
    await ended;
    assert.deepEqual(log, ["a leads", "a stops", "b leads"]);
    assert.equal(cluster.read(leases, key)?.spec?.leaseTransitions, 1);
    second.abort();
    await clock.advance(100);
    await other;
    assert.equal(cluster.read(leases, key)?.spec?.holderIdentity, "");
    assert.equal(clock.pendingTimers, 0);
  });

  test("a leader that died is followed when its lease has run out by the local clock, whatever its record says of the time", async () => {
    const { clock, cluster, log, elector } = world();
    const renewTime = microTime(clock.nowMs() - 3_600_000);
    cluster.put(leases, {
      metadata: key,
      spec: {
        holderIdentity: "dead",
        leaseDurationSeconds: 15,
        acquireTime: renewTime,
        renewTime,
        leaseTransitions: 4,
      },
    });
    const stop = new AbortController();
    const ended = elector("a", stop.signal);
    await clock.advance(14_900);
    clock.jumpWall(86_400_000);
    assert.deepEqual(log, []);
    await clock.advance(3_000);
    assert.deepEqual(log, ["a leads"]);
    assert.equal(cluster.read(leases, key)?.spec?.leaseTransitions, 5);
    stop.abort();
    await clock.advance(100);
    await ended;
  });

  test("a leader that cannot renew stops within the deadline, at once when another one holds the lease", async () => {
    const { clock, cluster, log, elector } = world();
    const ended = elector("a", new AbortController().signal);
    await clock.advance(1_000);
    const cut = cluster.fail({ kind: "Lease" }, { status: 0, times: 1_000 });
    await clock.advance(10_999);
    await assert.rejects(ended, (error: unknown) => error instanceof PlatformError && error.code === "LEADERSHIP_LOST");
    assert.deepEqual(log, ["a leads", "a stops", "a lost"]);
    cut[Symbol.dispose]();
    const second = elector("b", new AbortController().signal);
    await clock.advance(20_000);
    assert.equal(log.at(-1), "b leads");
    const lease = await cluster.client().get(leases, key);
    await cluster.client().replace(leases, { ...lease, spec: { ...lease.spec, holderIdentity: "intruder" } });
    await clock.advance(2_000);
    await assert.rejects(second, /intruder holds it/);
  });

  test("conflicts, 429 and lost answers do not end a leadership that can be renewed", async () => {
    const { clock, cluster, log, elector } = world();
    const stop = new AbortController();
    const ended = elector("a", stop.signal);
    await clock.advance(1_000);
    cluster.fail({ kind: "Lease", verb: "replace" }, { status: 409, times: 2 });
    await clock.advance(10_000);
    cluster.fail({ kind: "Lease", verb: "replace" }, { status: 0, when: "after", times: 2 });
    await clock.advance(10_000);
    cluster.fail({ kind: "Lease", verb: "replace" }, { status: 429, times: 3 });
    await clock.advance(30_000);
    assert.deepEqual(log, ["a leads"]);
    stop.abort();
    await clock.advance(100);
    await ended;
  });

  test("identities are unlike, and settings that cannot be safe are refused", async () => {
    assert.equal(leaderIdentity("host", entropy), `host_${"00".repeat(16)}`);
    const { clock, cluster } = world();
    const options = { client: cluster.client(), clock, entropy, lease: key, identity: "a", leaseDurationMs: 5_000 };
    await assert.rejects(runAsLeader(options, forever, new AbortController().signal), /do not go together/);
  });
});

/** A clock with a rate of its own, and wall time that jumps by itself. */
class OwnClock implements Clock {
  readonly #base: FakeClock;
  readonly #rate: number;
  wallOffsetMs = 0;

  constructor(base: FakeClock, rate: number) {
    this.#base = base;
    this.#rate = rate;
  }

  nowMs(): number {
    return this.#base.nowMs() + this.wallOffsetMs;
  }

  monotonicMs(): number {
    return this.#base.monotonicMs() * this.#rate + 1_000_000;
  }

  timer(delayMs: number, fire: () => void): Timer {
    return this.#base.timer(delayMs / this.#rate, fire);
  }
}

/** The way of one elector to the server: slow, cut, or losing answers; deaf to signals, as a stuck connection is. */
function badWay(
  client: KubernetesClient,
  clock: FakeClock,
  random: () => number,
  trouble: () => number,
): KubernetesClient {
  const pause = (ms: number): Promise<void> => new Promise((resolve) => clock.timer(ms, resolve));
  const latencyMs = (): number => (random() < trouble() / 2 ? random() * 20_000 : random() * 200);
  const over = async <T>(call: () => Promise<T>): Promise<T> => {
    await pause(latencyMs());
    if (random() < trouble()) throw new ApiError("cut before", { httpStatus: 0 });
    const result = await call().then(
      (value) => ({ value }),
      (error: unknown) => ({ error }),
    );
    await pause(latencyMs());
    if (random() < trouble()) throw new ApiError("cut after", { httpStatus: 0 });
    if ("error" in result) throw result.error;
    return result.value;
  };
  return {
    ...client,
    find: (kind, at) => over(() => client.find(kind, at)),
    create: (kind, object) => over(() => client.create(kind, object)),
    replace: (kind, object) => over(() => client.replace(kind, object)),
  };
}

/** A small generator of random numbers, so that a failing run can be repeated by its seed. */
function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

test("never two leaders, under partitions, slow and lost answers, clocks that jump and run at different rates; and one again afterwards", async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1 }), async (seed) => {
      const base = new FakeClock();
      const cluster = new FakeCluster({ clock: base, entropy });
      const random = randomOf(seed);
      const leading = new Set<string>();
      const terms: string[] = [];
      const rivals: string[] = [];
      const over = new AbortController();
      let trouble = 0;
      const live = async (name: string): Promise<void> => {
        // Within 10 % of each other: the default margin allows a third.
        const clock = new OwnClock(base, 0.95 + random() * 0.1);
        for (let life = 0; !over.signal.aborted; life++) {
          const identity = `${name}-${life}`;
          const client = badWay(cluster.client(), base, random, () => trouble);
          const stop = AbortSignal.any([over.signal]);
          const term = new AbortController();
          clock.wallOffsetMs = (random() - 0.5) * 1e9;
          const onLeading = (begins: boolean): void => {
            if (begins) {
              leading.add(identity);
              terms.push(identity);
            } else leading.delete(identity);
            if (leading.size > 1) rivals.push([...leading].join(" and "));
            if (begins && random() < 0.3) base.timer(random() * 30_000, () => term.abort());
          };
          const work = until(AbortSignal.any([term.signal, stop]));
          await runAsLeader(
            { client, clock, entropy: { ...entropy, fraction: random }, lease: key, identity, onLeading },
            work,
            stop,
          ).catch((error: unknown) =>
            assert.ok(error instanceof PlatformError && error.code === "LEADERSHIP_LOST", String(error)),
          );
        }
      };
      const lives = ["a", "b", "c"].map(live);
      for (let minute = 0; minute < 4; minute++) {
        trouble = random() < 0.3 ? 0.9 : random() * 0.5;
        await base.advance(60_000);
      }
      const troubled = terms.length;
      trouble = 0;
      await base.advance(45_000);
      assert.deepEqual(rivals, [], `seed ${seed}`);
      assert.ok(leading.size === 1 || terms.length > troubled, `seed ${seed}: nobody leads`);
      over.abort();
      await base.advance(60_000);
      await Promise.all(lives);
      assert.equal(leading.size, 0);
    }),
    { numRuns: 40 },
  );
});
