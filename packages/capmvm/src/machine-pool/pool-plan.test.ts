import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { MicrovmMachine } from "../api/index.ts";
import { machineSpec } from "../testing/cluster-world.ts";
import { labelValue, sparsestDomain } from "./new-member.ts";
import type { PoolMember } from "./pool-member.ts";
import { planPool } from "./pool-plan.ts";

const machine: MicrovmMachine = { spec: machineSpec };
const member = (name: string, changes: Partial<PoolMember> = {}): PoolMember => ({
  name,
  machine,
  owner: undefined,
  deleting: false,
  current: true,
  ready: true,
  failed: false,
  chosen: false,
  createdMs: 0,
  ...changes,
});
const old = { current: false } as const;
const unready = { ready: false } as const;

test("what is made and what goes", () => {
  const rows: readonly (readonly [string, readonly PoolMember[], number | undefined, number, string, string])[] = [
    ["an empty pool is filled", [], 3, 3, "", "scaling-up"],
    ["as wanted", [member("a"), member("b")], 2, 0, "", "available"],
    ["one is not ready", [member("a"), member("b", unready)], 2, 0, "", "not-ready"],
    ["one more is wanted", [member("a")], 2, 1, "", "scaling-up"],
    ["the newest goes", [member("a", { createdMs: 1 }), member("b", { createdMs: 2 })], 1, 0, "b", "scaling-down"],
    [
      "one that is not ready goes before",
      [member("a", unready), member("b", { createdMs: 2 })],
      1,
      0,
      "a",
      "scaling-down",
    ],
    [
      "a failed one goes before",
      [member("a", { ...unready, failed: true }), member("b", unready)],
      1,
      0,
      "a",
      "scaling-down",
    ],
    [
      "a chosen one goes before all",
      [member("a", { ...unready, failed: true }), member("b", { chosen: true })],
      1,
      0,
      "b",
      "scaling-down",
    ],
    [
      "one that goes is not counted, but replaced",
      [member("a"), member("b", { deleting: true })],
      2,
      1,
      "",
      "scaling-up",
    ],
    ["down to none", [member("a"), member("b", unready)], 0, 0, "b a", "scaling-down"],
    ["waiting for one to go", [member("a"), member("b", { deleting: true })], 1, 0, "", "scaling-down"],
    ["a rollout begins with one more", [member("a", old), member("b", old)], 2, 1, "", "rolling-out"],
    ["which is waited for", [member("a", old), member("b", old), member("c", unready)], 2, 0, "", "rolling-out"],
    ["then an old one goes", [member("a", old), member("b", old), member("c")], 2, 1, "a", "rolling-out"],
    [
      "an old one that serves nobody goes at once",
      [member("a", { ...old, ...unready }), member("b", old)],
      2,
      2,
      "a",
      "rolling-out",
    ],
    ["the last old one", [member("a", old), member("b"), member("c")], 2, 0, "a", "rolling-out"],
    ["a rollout of none", [member("a", old)], 0, 0, "a", "rolling-out"],
    ["somebody else decides how many", [member("a"), member("b")], undefined, 0, "", "available"],
    ["and the template is rolled out all the same", [member("a", old)], undefined, 1, "", "rolling-out"],
  ];
  for (const [what, members, wanted, create, remove, state] of rows) {
    const plan = planPool(members, wanted);
    assert.deepEqual(
      [plan.create, plan.remove.map(({ name }) => name).join(" "), plan.state],
      [create, remove, state],
      what,
    );
  }
});

const flags = fc.record({
  current: fc.boolean(),
  ready: fc.boolean(),
  failed: fc.boolean(),
  deleting: fc.boolean(),
  createdMs: fc.nat(5),
});

test("whatever there is, the pool gets to as many as wanted, ready and current, with one more at most and none fewer ready", () => {
  fc.assert(
    fc.property(fc.array(flags, { maxLength: 8 }), fc.nat(6), (start, wanted) => {
      let members = start.map((changes, index) =>
        member(`m${index}`, { ...changes, failed: changes.failed && !changes.ready }),
      );
      const staying = (): readonly PoolMember[] => members.filter(({ deleting }) => !deleting);
      const readyNow = (): number => staying().filter(({ ready }) => ready).length;
      for (let round = 0; round < 40; round++) {
        const before = { total: staying().length, ready: readyNow() };
        const plan = planPool(members, wanted);
        const gone = new Set(plan.remove);
        members = members.filter((one) => !gone.has(one));
        assert.ok(readyNow() >= Math.min(before.ready, wanted), "none of the wanted ready ones was taken away");
        for (let index = 0; index < plan.create; index++) members.push(member(`n${round}-${index}`, unready));
        assert.ok(staying().length <= Math.max(before.total, wanted + 1));
        // The world goes on: what goes is gone, one more becomes ready.
        members = members.filter(({ deleting }) => !deleting);
        const next = members.findIndex(({ ready, current }) => !ready && current);
        members = members.map((one, index) => (index === next ? { ...one, ready: true, failed: false } : one));
      }
      assert.equal(planPool(members, wanted).state, "available");
      assert.equal(members.length, wanted);
    }),
  );
});

test("labels are made of names as Cluster API makes them", () => {
  const long =
    "machineSetNamemachineSetNamemachineSetNamemachineSetNamemachineSetNamemachineSetNamemachineSetNamemachineSetNamemachineSetNamemachineSetNamemachineSetNamemachineSetName";
  assert.equal(labelValue(long), "hash_FR_ghQ_z");
  assert.equal(labelValue("workers"), "workers");
});

test("machines are spread over the named domains", () => {
  const on = (domain: string): MicrovmMachine => ({
    metadata: { annotations: { "capmvm.liquidmetal.dev/failure-domain": domain } },
    spec: machineSpec,
  });
  assert.equal(sparsestDomain(undefined, []), undefined);
  assert.equal(sparsestDomain([], []), undefined);
  assert.equal(sparsestDomain(["a", "b"], []), "a");
  assert.equal(sparsestDomain(["a", "b"], [on("a")]), "b");
  assert.equal(sparsestDomain(["a", "b"], [on("a"), on("b"), on("b")]), "a");
});
