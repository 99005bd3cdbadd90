import assert from "node:assert/strict";
import { test } from "node:test";
import { unwrap } from "@liquidmetal/foundation";
import { specOf, World } from "./fake-world/world.ts";
import { isolationGroupOf } from "./isolation-group.ts";

test("microVMs of one cluster are one group, within their namespace", () => {
  const group = (namespace: string, labels: Readonly<Record<string, string>>): string | undefined =>
    isolationGroupOf({ namespace, labels });
  assert.equal(group("team-a", { "cluster-name": "demo" }), "team-a/demo");
  assert.notEqual(group("team-a", { "cluster-name": "demo" }), group("team-b", { "cluster-name": "demo" }));
  assert.equal(group("team-a", {}), undefined);
});

test("a label of its own comes before the cluster's name: a common group, or none", () => {
  const labels = { "cluster-name": "demo", "liquidmetal.dev/network-group": "shared" };
  assert.equal(isolationGroupOf({ namespace: "ns", labels }), "ns/shared");
  assert.equal(
    isolationGroupOf({ namespace: "ns", labels: { ...labels, "liquidmetal.dev/network-group": "" } }),
    undefined,
  );
});

test("the network is told the group at creation, and of every microVM that was there when an agent comes back", async () => {
  const world = new World();
  const engine = await world.start();
  const { namespace } = unwrap(await engine.create(specOf("node", { labels: { "cluster-name": "demo" } }))).spec;
  unwrap(await engine.create(specOf("alone")));
  await world.settle();
  const told = (): readonly string[] => [...world.host.groups.values()].toSorted();
  assert.deepEqual(told(), ["", `${namespace}/demo`]);
  world.kill();
  world.host.groups.clear();
  await world.start();
  assert.deepEqual(told(), ["", `${namespace}/demo`]);
});
