/** What holds for every pool and every workload. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { free, type HostCandidate } from "./host-candidate.ts";
import { place } from "./place.ts";
import { Reservations } from "./reservations.ts";
import { dimensions, type Resources } from "./resources.ts";
import type { Workload } from "./workload.ts";

const amounts = (most: number): fc.Arbitrary<Resources> =>
  fc.record({ vcpu: fc.nat(most), memoryMiB: fc.nat(most * 1_024), diskMiB: fc.nat(most * 4_096) });

const hosts: fc.Arbitrary<HostCandidate[]> = fc.uniqueArray(
  fc.record(
    {
      id: fc.string({ minLength: 1, maxLength: 4 }),
      failureDomain: fc.constantFrom("a", "b", "c"),
      labels: fc.constantFrom({}, { disk: "nvme" }),
      taints: fc.constantFrom([], ["cordoned"]),
      health: fc.constantFrom("reachable", "reachable", "reachable", "unknown", "unreachable", "refused"),
      capabilities: fc.constantFrom([], ["macvtap"]),
      allocatable: amounts(16),
      allocated: amounts(8),
      members: fc.constantFrom(new Map([["g", 1]]), new Map([["g", 3]])),
    },
    { requiredKeys: ["id", "failureDomain", "labels", "taints", "health"] },
  ),
  { selector: ({ id }) => id, maxLength: 12 },
);

const workloads: fc.Arbitrary<Workload> = fc.record(
  {
    name: fc.string({ minLength: 1, maxLength: 8 }),
    resources: amounts(6),
    selector: fc.constantFrom({}, { disk: "nvme" }),
    tolerations: fc.constantFrom([], ["cordoned"]),
    requires: fc.constantFrom([], ["macvtap"]),
    spread: fc.constantFrom({ name: "g", mode: "even" } as const, { name: "g", mode: "prefer" } as const),
  },
  { requiredKeys: ["name", "resources"] },
);

const fits = (host: HostCandidate, { resources }: Workload): boolean =>
  dimensions.every((dimension) => resources[dimension] === 0 || resources[dimension] <= free(host, dimension));

test("the order of the hosts does not matter, and the same question has the same answer", () => {
  fc.assert(
    fc.property(
      workloads,
      hosts.chain((pool) => fc.tuple(fc.constant(pool), fc.shuffledSubarray(pool, { minLength: pool.length }))),
      (workload, [pool, shuffled]) => {
        const answer = place(workload, pool);
        assert.deepEqual(place(workload, shuffled), answer);
        assert.deepEqual(place(workload, pool), answer);
      },
    ),
  );
});

test("only a host with room is chosen, and every host that fell out is counted once", () => {
  fc.assert(
    fc.property(workloads, hosts, (workload, pool) => {
      const placed = place(workload, pool);
      if (placed.ok) assert.ok(fits(placed.value.host, workload));
      else {
        assert.equal(
          placed.error.refusals.reduce((sum, { count }) => sum + count, 0),
          pool.length,
        );
        assert.notEqual(placed.error.summary, "");
      }
    }),
  );
});

test("one host more, or one wish less, never takes a place away", () => {
  fc.assert(
    fc.property(workloads, hosts, (workload, pool) => {
      if (pool.length === 0 || !place(workload, pool.slice(1)).ok) return;
      assert.ok(place(workload, pool).ok);
      const { resources } = workload;
      for (const dimension of dimensions) {
        const less = { ...resources, [dimension]: Math.floor(resources[dimension] / 2) };
        assert.ok(place({ ...workload, resources: less }, pool).ok);
      }
    }),
  );
});

test("whatever is placed and let go in whatever order, no host is over-committed by us, and nothing leaks", () => {
  const steps = fc.array(fc.record({ owner: fc.nat(15), workload: workloads, release: fc.boolean() }), {
    maxLength: 60,
  });
  fc.assert(
    fc.property(hosts, steps, (pool, script) => {
      const reservations = new Reservations();
      const expected = new Map<string, Workload>();
      for (const { owner, workload, release } of script) {
        const key = String(owner);
        if (release) {
          assert.equal(reservations.release(key), expected.delete(key));
          continue;
        }
        if (reservations.place(key, workload, pool).ok) expected.set(key, workload);
        for (const host of pool) {
          const charged = reservations.charge(host);
          for (const dimension of dimensions) {
            assert.ok(free(charged, dimension) >= Math.min(0, free(host, dimension)), `${host.id} ${dimension}`);
          }
        }
      }
      assert.deepEqual(
        new Set(pool.flatMap(({ id }) => reservations.on(id).map(({ owner }) => owner))),
        new Set(expected.keys()),
      );
      for (const owner of expected.keys()) reservations.release(owner);
      assert.equal(reservations.size, 0);
      for (const host of pool) assert.equal(reservations.charge(host), host);
    }),
  );
});

test("a group spreads evenly over domains that have room: never two members apart", () => {
  const domains = fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(domains, fc.nat(20), fc.array(amounts(8), { minLength: 15, maxLength: 15 }), (sizes, count, used) => {
      const pool = sizes.flatMap((size, domain) =>
        Array.from(
          { length: size },
          (_, index): HostCandidate => ({
            id: `${domain}-${index}`,
            failureDomain: String(domain),
            labels: {},
            taints: [],
            health: "reachable",
            allocatable: { vcpu: 100, memoryMiB: 100_000, diskMiB: 100_000 },
            allocated: used[domain * 3 + index] ?? { vcpu: 0, memoryMiB: 0, diskMiB: 0 },
          }),
        ),
      );
      const reservations = new Reservations();
      const placed = new Map<string, number>(pool.map(({ failureDomain }) => [failureDomain, 0]));
      for (let index = 0; index < count; index++) {
        const workload: Workload = {
          name: `cp-${index}`,
          resources: { vcpu: 1, memoryMiB: 512, diskMiB: 0 },
          spread: { name: "cp", mode: "even" },
        };
        const answer = reservations.place(workload.name, workload, pool);
        assert.ok(answer.ok);
        placed.set(answer.value.host.failureDomain, (placed.get(answer.value.host.failureDomain) ?? 0) + 1);
        const counts = [...placed.values()];
        assert.ok(Math.max(...counts) - Math.min(...counts) <= 1, counts.join());
      }
    }),
    { numRuns: 50 },
  );
});
