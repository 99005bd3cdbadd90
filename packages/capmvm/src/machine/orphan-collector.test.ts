/** MicroVMs without a machine: found, told once, and deleted only when it was asked for and is certain. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { clusters, microvmMachines } from "../api/index.ts";
import { MachineWorld } from "../testing/machine-world.ts";
import { OrphanCollector, type OrphanCollectorOptions } from "./orphan-collector.ts";

const at = "10.0.0.1:9090";
describe("microVMs without a machine", () => {
  let world: MachineWorld;
  beforeEach(() => {
    world = new MachineWorld();
  });
  afterEach(() => world.end());

  const someone = () => world.cluster.client({ fieldManager: "someone" });

  /** A machine whose finalizer was taken away with it, and the collector. */
  async function orphaned(more: Partial<OrphanCollectorOptions>) {
    const host = world.addHost(at);
    world.putCluster();
    const [lost, kept] = [world.putMachine({ name: "lost" }), world.putMachine({ name: "kept" })];
    host.put({ uid: "FOREIGN", namespace: "default", name: "foreign", identity: "x", labels: {} });
    host.put({
      uid: "OTHER-PLANE",
      namespace: "default",
      name: "other",
      identity: "y",
      labels: { "capmvm.liquidmetal.dev/management-plane": "plane-2", "cluster-name": "demo" },
    });
    const living = await world.start();
    await world.pass();
    living.kill();
    await someone().mergePatch(microvmMachines, lost, { metadata: { finalizers: null } });
    await someone().delete(microvmMachines, lost);
    const next = await world.start();
    const collector = new OrphanCollector({ ...next.dependencies, ...more });
    const running = await collector.start(new AbortController().signal);
    return { host, kept, running, names: () => host.microVms.map(({ name }) => name).toSorted() };
  }

  test("told of once, after the grace, and left alone", async () => {
    const { names, running, kept } = await orphaned({});
    await world.pass(599_000);
    assert.ok(!world.events.some((event) => event.includes("Orphan")));
    await world.pass(7_200_000);
    assert.deepEqual(
      world.events.filter((event) => event.includes("Orphan")),
      ["Warning OrphanFound demo-infra"],
    );
    assert.deepEqual(names(), ["foreign", "kept", "lost", "other"]);
    assert.equal(world.condition("Ready", kept), "True Ready");
    await running[Symbol.asyncDispose]();
  });

  test("deleted when that is wished, and nothing else is", async () => {
    const { names, running, kept } = await orphaned({ deleteOrphans: true });
    await world.pass(3_600_000);
    assert.deepEqual(names(), ["foreign", "kept", "other"]);
    assert.ok(world.events.includes("Warning OrphanDeleted demo-infra"));
    assert.equal(world.condition("Ready", kept), "True Ready");
    await running[Symbol.asyncDispose]();
  });

  test("never while the Cluster is paused, as it is while it moves", async () => {
    const { names, running } = await orphaned({ deleteOrphans: true });
    await someone().mergePatch(clusters, { namespace: "default", name: "demo" }, { spec: { paused: true } });
    await world.pass(3_600_000);
    assert.ok(names().includes("lost"));
    await running[Symbol.asyncDispose]();
  });

  test("never when the API server knows a machine that the cache does not show", async () => {
    const { names, running, host } = await orphaned({ deleteOrphans: true });
    const identity = host.microVms.find(({ name }) => name === "lost")?.identity ?? "";
    world.cluster.stallWatches();
    const key = world.putMachine({ name: "lost-again" });
    const machine = world.machine(key);
    world.cluster.put(microvmMachines, {
      metadata: {
        namespace: "default",
        name: "lost",
        annotations: { "capmvm.liquidmetal.dev/identity": identity },
      },
      spec: machine?.spec ?? assert.fail(),
    });
    await world.pass(60_000);
    world.cluster.stallWatches();
    await world.pass(1_200_000);
    assert.ok(names().includes("lost"));
    await running[Symbol.asyncDispose]();
  });
});
