/** Deletion, and things done by hand: edited provider ids, lost finalizers, moves between clusters. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { PlatformError } from "@liquidmetal/foundation";
import { type Cluster, clusters, machines, microvmClusters, microvmMachines } from "../api/index.ts";
import { MachineWorld } from "../testing/machine-world.ts";

const [a, b] = ["10.0.0.1:9090", "10.0.0.2:9090"];
const finalizer = "microvmmachine.infrastructure.cluster.x-k8s.io";
const annotation = {
  host: "capmvm.liquidmetal.dev/host",
  identity: "capmvm.liquidmetal.dev/identity",
  abandon: "capmvm.liquidmetal.dev/abandon-unreachable-host",
};
const clusterKey = { namespace: "default", name: "demo" };
const infraKey = { namespace: "default", name: "demo-infra" };

describe("machines that go", () => {
  let world: MachineWorld;
  beforeEach(() => {
    world = new MachineWorld();
  });
  afterEach(() => world.end());

  const client = () => world.cluster.client({ fieldManager: "someone" });

  describe("things done by hand", () => {
    test("a provider id that is nonsense, or names somebody else's microVM", async () => {
      const host = world.addHost(a);
      world.putCluster();
      const one = world.putMachine({ name: "one" });
      const two = world.putMachine({ name: "two" });
      await world.start();
      await world.pass();
      const providerID = world.machine(two)?.spec.providerID;
      await client().mergePatch(microvmMachines, one, { spec: { providerID } });
      await world.pass();
      assert.equal(world.condition("VMProvisioned", one), "False ProviderIDInvalid");
      assert.match(world.message("VMProvisioned", one), /was made for default\/two/);
      await client().mergePatch(microvmMachines, one, { spec: { providerID: "aws:///i-1" } });
      await world.pass();
      assert.match(world.message("VMProvisioned", one), /not microvm:/);
      await client().delete(microvmMachines, one);
      await world.pass(10_000);
      assert.equal(world.machine(one), undefined);
      assert.deepEqual(
        host.microVms.map(({ name }) => name),
        ["two"],
      );
      assert.equal(world.condition("Ready", two), "True Ready");
    });

    test("a finalizer that was taken away comes back", async () => {
      world.addHost(a);
      world.putCluster();
      const key = world.putMachine();
      await world.start();
      await world.pass();
      await client().mergePatch(microvmMachines, key, { metadata: { finalizers: null } });
      await world.pass();
      assert.deepEqual(world.machine(key)?.metadata?.finalizers, [finalizer]);
    });

    test("a host that leaves the pool keeps its machines", async () => {
      world.addHost(a);
      world.putCluster();
      const key = world.putMachine();
      await world.start();
      await world.pass();
      world.hosts.add(b);
      const hosts = [{ endpoint: b, controlPlaneAllowed: true }];
      await client().mergePatch(microvmClusters, infraKey, { spec: { placement: { staticPool: { hosts } } } });
      await world.pass();
      assert.equal(world.condition("Ready", key), "True Ready");
      assert.match(world.message("HostReachable", key), /no longer in the pool/);
      await client().delete(microvmMachines, key);
      await world.pass();
      assert.equal(world.machine(key), undefined);
      assert.equal(world.hosts.microVms().length, 0);
    });

    test("annotations of a megabyte harm nobody", async () => {
      world.addHost(a);
      world.putCluster();
      const key = world.putMachine();
      await client().mergePatch(microvmMachines, key, { metadata: { annotations: { large: "x".repeat(1_000_000) } } });
      await world.start();
      await world.pass();
      assert.equal(world.condition("Ready", key), "True Ready");
      assert.equal(world.machine(key)?.metadata?.annotations?.["large"]?.length, 1_000_000);
    });

    test("moved to another management cluster: the same microVM, whatever the new uid", async () => {
      const host = world.addHost(a);
      world.putCluster();
      const key = world.putMachine();
      const living = await world.start();
      await world.pass();
      const before = world.machine(key);
      living.kill();
      const { uid: _, resourceVersion: __, ...metadata } = before?.metadata ?? {};
      await client().mergePatch(microvmMachines, key, { metadata: { finalizers: null } });
      await client().delete(microvmMachines, key);
      await client().create(microvmMachines, { metadata, spec: before?.spec ?? assert.fail() });
      await world.start();
      await world.pass();
      const after = world.machine(key);
      assert.notEqual(after?.metadata?.uid, before?.metadata?.uid);
      assert.equal(after?.spec.providerID, before?.spec.providerID);
      assert.equal(world.condition("Ready", key), "True Ready");
      assert.equal(host.counts.create, 1);
      await client().delete(microvmMachines, key);
      await world.pass();
      assert.deepEqual([world.machine(key), host.microVms.length], [undefined, 0]);
    });

    test("a machine of upstream's provider goes on as it is, and is deleted", async () => {
      const host = world.addHost(a, { upstream: true });
      host.put({ uid: "01UP", namespace: "default", name: "m-1" });
      world.putCluster();
      const key = world.putMachine({ spec: { providerID: `microvm://${a}/01UP` } });
      await world.start();
      await world.pass();
      assert.equal(world.condition("Ready", key), "True Ready");
      assert.equal(host.counts.create, 0);
      await client().delete(microvmMachines, key);
      await world.pass();
      assert.deepEqual([world.machine(key), host.microVms.length], [undefined, 0]);
    });
  });

  describe("deletion", () => {
    const running = async () => {
      const host = world.addHost(a);
      world.putCluster();
      const key = world.putMachine();
      await world.start();
      await world.pass();
      return { host, key };
    };

    test("the microVM first, asked once, then the finalizer", async () => {
      const { host, key } = await running();
      host.options = { deletionMs: 5_000 };
      await client().delete(microvmMachines, key);
      await world.pass(2_000);
      assert.equal(world.condition("Deleting", key), "True WaitingForVM");
      assert.equal(world.condition("Ready", key), "False Deleting");
      await world.pass(4_000);
      assert.equal(world.machine(key), undefined);
      assert.deepEqual([host.counts.delete, host.microVms.length], [1, 0]);
      assert.ok(world.events.includes("Normal MicroVMDeleted m-1"));
    });

    test("a quick one writes the finalizer only", async () => {
      const { key } = await running();
      world.cluster.forgetCalls();
      await client().delete(microvmMachines, key);
      await world.pass();
      assert.deepEqual(world.cluster.writes(), { "MicrovmMachine delete": 1, "MicrovmMachine mergePatch": 1 });
    });

    test("nothing was made: the object goes at once", async () => {
      const host = world.addHost(a);
      world.putCluster({ provisioned: false });
      const key = world.putMachine();
      await client().mergePatch(microvmMachines, key, { metadata: { finalizers: [finalizer] } });
      await world.start();
      await client().delete(microvmMachines, key);
      await world.pass(100);
      assert.equal(world.machine(key), undefined);
      assert.equal(host.counts.list, 0);
    });

    test("journaled and not recorded: found by identity", async () => {
      const host = world.addHost(a);
      world.putCluster();
      const key = world.putMachine();
      const uid = world.machine(key)?.metadata?.uid ?? "";
      await client().mergePatch(microvmMachines, key, {
        metadata: { finalizers: [finalizer], annotations: { [annotation.host]: a, [annotation.identity]: uid } },
      });
      host.put({ uid: "MINE", namespace: "default", name: "m-1", identity: uid });
      host.put({ uid: "OTHERS", namespace: "default", name: "m-1", identity: "someone" });
      await client().delete(microvmMachines, key);
      await world.start();
      await world.pass(100_000);
      assert.equal(world.machine(key), undefined);
      assert.deepEqual(
        host.microVms.map((one) => one.uid),
        ["OTHERS"],
      );
    });

    test("works when Machine, Cluster and MicrovmCluster are gone", async () => {
      const { host, key } = await running();
      const gone = [
        [machines, key],
        [clusters, clusterKey],
        [microvmClusters, infraKey],
      ] as const;
      for (const [kind, name] of gone) await client().delete(kind, name);
      await client().delete(microvmMachines, key);
      await world.pass();
      assert.deepEqual([world.machine(key), host.microVms.length], [undefined, 0]);
    });

    test("a host that cannot be reached keeps the object, until it is back", async () => {
      const { host, key } = await running();
      host.unreachable();
      await client().delete(microvmMachines, key);
      await world.pass(600_000);
      assert.equal(world.condition("Deleting", key), "True HostUnreachable");
      assert.match(world.message("Ready", key), /abandon-unreachable-host/);
      host.reachable();
      await world.pass(100);
      assert.deepEqual([world.machine(key), host.microVms.length], [undefined, 0]);
    });

    test("…or until the user lets go, on the machine or on the MicrovmCluster", async () => {
      for (const on of ["machine", "cluster"] as const) {
        world.end();
        world = new MachineWorld();
        const { host, key } = await running();
        host.unreachable();
        await client().delete(microvmMachines, key);
        await world.pass();
        const patch = { metadata: { annotations: { [annotation.abandon]: "true" } } };
        if (on === "machine") await client().mergePatch(microvmMachines, key, patch);
        else await client().mergePatch(microvmClusters, infraKey, patch);
        await world.pass();
        assert.equal(world.machine(key), undefined);
        assert.ok(world.events.includes("Warning MicroVMAbandoned m-1"));
        assert.ok(!world.events.includes("Normal MicroVMDeleted m-1"));
        assert.equal(host.microVms.length, 1);
      }
    });

    test("a microVM that is gone already is no obstacle", async () => {
      const { host, key } = await running();
      host.vanish(host.microVms[0]?.uid ?? "");
      await client().delete(microvmMachines, key);
      await world.pass(100);
      assert.equal(world.machine(key), undefined);
      assert.equal(host.counts.delete, 0);
    });

    test("a pre-terminate hook of the Machine holds the microVM", async () => {
      const { host, key } = await running();
      const hook = "pre-terminate.delete.hook.machine.cluster.x-k8s.io/kcp-cleanup";
      await client().mergePatch(machines, key, { metadata: { annotations: { [hook]: "" } } });
      await client().delete(microvmMachines, key);
      await world.pass(10_000);
      assert.match(world.message("Deleting", key), /kcp-cleanup/);
      assert.equal(host.microVms.length, 1);
      await client().mergePatch(machines, key, { metadata: { annotations: { [hook]: null } } });
      await world.pass();
      assert.deepEqual([world.machine(key), host.microVms.length], [undefined, 0]);
    });

    test("a host that fails to delete is asked again", async () => {
      const { host, key } = await running();
      host.fail("delete", new PlatformError("INTERNAL", "device is busy"));
      await client().delete(microvmMachines, key);
      await world.pass(100);
      assert.equal(world.condition("Deleting", key), "True DeleteFailed");
      await world.pass(15_000);
      assert.deepEqual([world.machine(key), host.counts.delete], [undefined, 2]);
    });

    test("while paused nothing is deleted", async () => {
      const { host, key } = await running();
      await client().mergePatch<Cluster>(clusters, clusterKey, { spec: { paused: true } });
      await client().delete(microvmMachines, key);
      await world.pass(60_000);
      assert.equal(host.microVms.length, 1);
      await client().mergePatch<Cluster>(clusters, clusterKey, { spec: { paused: false } });
      await world.pass();
      assert.equal(world.machine(key), undefined);
    });
  });
});
