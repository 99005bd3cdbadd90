/** From nothing to a node, and where: what upstream's tables ask, and what is better here. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { PlatformError } from "@liquidmetal/foundation";
import { clusters, machines, microvmClusters, microvmMachines } from "../api/index.ts";
import { MachineWorld } from "../testing/machine-world.ts";
import { Life } from "../testing/mortal.ts";

const [a, b, c] = ["10.0.0.1:9090", "10.0.0.2:9090", "10.0.0.3:9090"];
const finalizer = "microvmmachine.infrastructure.cluster.x-k8s.io";
const annotation = {
  host: "capmvm.liquidmetal.dev/host",
  identity: "capmvm.liquidmetal.dev/identity",
  abandon: "capmvm.liquidmetal.dev/abandon-unreachable-host",
};
const clusterKey = { namespace: "default", name: "demo" };
const infraKey = { namespace: "default", name: "demo-infra" };

describe("machines", () => {
  let world: MachineWorld;
  beforeEach(() => {
    world = new MachineWorld();
  });
  afterEach(() => world.end());

  const client = () => world.cluster.client({ fieldManager: "someone" });
  const gibibyte = 1_073_741_824;
  const capacity = (vcpu: number, memoryGiB: number) => ({ vcpu, memoryBytes: memoryGiB * gibibyte, diskBytes: 0 });

  describe("from nothing to a node", () => {
    test("one microVM, provider id, addresses, conditions; three writes, and none when nothing happens", async () => {
      const host = world.addHost(a);
      world.putCluster();
      const key = world.putMachine();
      const { life } = await world.start();
      world.cluster.forgetCalls();
      await world.pass();
      const machine = world.machine(key);
      assert.equal(host.microVms.length, 1);
      assert.equal(machine?.spec.providerID, `microvm://${a}/${host.microVms[0]?.uid}`);
      assert.equal(machine?.status?.initialization?.provisioned, true);
      assert.equal(machine?.status?.vmState, "running");
      assert.equal(machine?.status?.failureDomain, a);
      assert.deepEqual(machine?.status?.addresses, [{ type: "Hostname", address: "m-1" }]);
      assert.deepEqual([world.condition("Ready"), world.condition("Paused")], ["True Ready", "False NotPaused"]);
      assert.deepEqual(machine?.metadata?.finalizers, [finalizer]);
      assert.equal(machine?.metadata?.annotations?.[annotation.host], a);
      assert.equal(machine?.metadata?.annotations?.[annotation.identity], machine?.metadata?.uid);
      assert.deepEqual(world.cluster.writes(), { "MicrovmMachine mergePatch": 2, "MicrovmMachine/status apply": 1 });
      assert.deepEqual(world.events, ["Normal MicroVMCreated m-1", "Normal MicroVMRunning m-1"]);
      const calls = life.calls.length;
      await world.pass(3_600_000);
      assert.equal(life.calls.length, calls);
    });

    test("a hundred machines: five calls each, and none at all by the next life", async () => {
      for (const endpoint of [a, b, c]) world.addHost(endpoint, { capacity: capacity(1_000, 1_000) });
      world.putCluster();
      for (let index = 0; index < 100; index++) world.putMachine({ name: `m-${index}` });
      const living = await world.start();
      await world.pass();
      assert.equal(living.life.calls.length, 500);
      assert.equal(world.hosts.microVms().length, 100);
      const each = [a, b, c].map((endpoint) => world.hosts.at(endpoint).microVms.length);
      assert.ok(Math.max(...each) - Math.min(...each) <= 1, each.join(", "));
      living.kill();
      const next = await world.start();
      await world.pass(60_000);
      assert.deepEqual(next.life.calls, []);
    });

    test("waits say what for, each in turn", async () => {
      const host = world.addHost(a, { startupMs: "manual" });
      world.putCluster({ provisioned: false });
      world.putMachine({ bootstrapData: "later" });
      await world.start();
      await world.pass();
      assert.equal(world.condition("VMProvisioned"), "False WaitingForClusterInfrastructure");
      assert.equal(world.machine()?.metadata?.finalizers, undefined);
      await client().mergePatch(
        clusters,
        clusterKey,
        { status: { initialization: { infrastructureProvisioned: true } } },
        { subresource: "status" },
      );
      await world.pass(100);
      assert.equal(world.condition("BootstrapDataAvailable"), "False WaitingForBootstrapData");
      assert.match(world.message("Ready"), /control plane of the cluster to be initialised/);
      const dataSecretName = "m-1-bootstrap";
      await client().mergePatch(
        machines,
        { namespace: "default", name: "m-1" },
        { spec: { bootstrap: { dataSecretName } } },
      );
      await world.pass(100);
      assert.equal(world.condition("BootstrapDataAvailable"), "False SecretMissing");
      world.putBootstrapData(dataSecretName, { format: "ignition", value: "{}" });
      await world.pass(15_000);
      assert.equal(world.condition("BootstrapDataAvailable"), "False FormatUnsupported");
      await client().mergePatch(
        { ...clusters, group: "", version: "v1", kind: "Secret", plural: "secrets" },
        { namespace: "default", name: dataSecretName },
        {
          data: { format: null, value: Buffer.from("#cloud-config").toString("base64") },
        },
      );
      await world.pass(15_000);
      assert.equal(world.condition("VMProvisioned"), "False Pending");
      assert.equal(world.condition("BootstrapDataAvailable"), "True Available");
      host.set(host.microVms[0]?.uid ?? "", { state: "created", phase: "running", addresses: ["10.1.0.7"] });
      await world.pass(10);
      assert.equal(world.condition("Ready"), "True Ready");
      assert.deepEqual(world.machine()?.status?.addresses?.[1], { type: "InternalIP", address: "10.1.0.7" });
    });

    test("nothing is done without a Machine, and after a while it says so", async () => {
      world.addHost(a);
      world.putCluster();
      const key = world.putMachine();
      await client().mergePatch(microvmMachines, key, { metadata: { ownerReferences: null } });
      await world.start();
      await world.pass(10_000);
      assert.equal(world.machine()?.status, undefined);
      await world.pass(30_000);
      assert.match(world.message("Ready"), /waiting for a Machine/);
    });

    test("paused: the condition, once, and nothing else; then it goes on", async () => {
      const host = world.addHost(a);
      world.putCluster({ paused: true });
      world.putMachine();
      world.cluster.forgetCalls();
      await world.start();
      await world.pass(60_000);
      assert.equal(world.condition("Paused"), "True Paused");
      assert.deepEqual(world.cluster.writes(), { "MicrovmMachine/status apply": 1 });
      assert.equal(host.counts.list + host.counts.create, 0);
      await client().mergePatch(clusters, clusterKey, { spec: { paused: null } });
      await world.pass(1_000);
      assert.deepEqual([world.condition("Paused"), world.condition("Ready")], ["False NotPaused", "True Ready"]);
    });

    test("what another instance looks after is left alone", async () => {
      world.addHost(a);
      world.putCluster();
      world.putMachine({ name: "other" });
      const ours = world.putMachine({ name: "ours", labels: { "cluster.x-k8s.io/watch-filter": "us" } });
      await world.start(new Life(world.clock), { watchFilter: "us" });
      await world.pass();
      assert.equal(world.condition("Ready", ours), "True Ready");
      assert.equal(world.machine({ namespace: "default", name: "other" })?.status, undefined);
    });
  });

  describe("the host is chosen", () => {
    test("as Machine.spec.failureDomain says, also where control planes are not wanted", async () => {
      for (const endpoint of [a, b, c]) world.addHost(endpoint, {}, { controlPlaneAllowed: false });
      world.putCluster();
      const key = world.putMachine({ failureDomain: b, controlPlane: true });
      await world.start();
      await world.pass();
      assert.equal(world.machine(key)?.status?.failureDomain, b);
    });

    test("a failure domain that is no host of the pool is a condition, mended by the pool", async () => {
      world.addHost(a);
      world.putCluster();
      world.putMachine({ failureDomain: b });
      await world.start();
      await world.pass();
      assert.equal(world.condition("VMProvisioned"), "False FailureDomainUnknown");
      assert.match(world.message("VMProvisioned"), /10\.0\.0\.2:9090.*\(10\.0\.0\.1:9090\)/);
      assert.equal(world.machine()?.metadata?.annotations?.[annotation.host], undefined);
      world.hosts.add(b);
      const hosts = [a, b].map((endpoint) => ({ endpoint, controlPlaneAllowed: true }));
      await client().mergePatch(microvmClusters, infraKey, { spec: { placement: { staticPool: { hosts } } } });
      await world.pass();
      assert.equal(world.machine()?.status?.failureDomain, b);
    });

    test("upstream's hosts by its checksum of the name, at first", async () => {
      const rows = [
        ["worker-2", a],
        ["demo-md-0-fghij", c],
        ["worker-1", b],
      ] as const;
      for (const [name, endpoint] of rows) {
        const fresh = new MachineWorld();
        for (const one of [a, b, c]) fresh.addHost(one, { upstream: true });
        fresh.putCluster();
        const key = fresh.putMachine({ name });
        await fresh.start();
        await fresh.pass();
        assert.equal(fresh.machine(key)?.status?.failureDomain, endpoint, name);
        fresh.end();
      }
    });

    test("control planes spread evenly over allowed hosts; workers take what is left", async () => {
      for (const endpoint of [a, b]) world.addHost(endpoint);
      world.addHost(c, {}, { controlPlaneAllowed: false });
      world.putCluster();
      for (let index = 0; index < 4; index++) world.putMachine({ name: `cp-${index}`, controlPlane: true });
      for (let index = 0; index < 5; index++) {
        world.putMachine({ name: `w-${index}`, labels: { "cluster.x-k8s.io/deployment-name": "md" } });
      }
      await world.start();
      await world.pass();
      const on = (endpoint: string, prefix: string): number =>
        world.hosts.at(endpoint).microVms.filter(({ name }) => name.startsWith(prefix)).length;
      assert.deepEqual([on(a, "cp"), on(b, "cp"), on(c, "cp")], [2, 2, 0]);
      assert.ok(on(c, "w") >= 1);
    });

    test("more machines than room: the condition names the shortage, and room wakes them", async () => {
      world.addHost(a, { capacity: capacity(4, 8) });
      world.addHost(b, { capacity: capacity(64, 6) });
      world.addHost(c).unreachable();
      world.putCluster();
      const keys = ["m-1", "m-2", "m-3", "m-4"].map((name) => world.putMachine({ name }));
      await world.start();
      await world.pass();
      const placed = keys.filter((key) => world.machine(key)?.spec.providerID !== undefined);
      assert.equal(placed.length, 3);
      const left = keys.find((key) => !placed.includes(key));
      assert.equal(world.condition("VMProvisioned", left), "False NoHostFits");
      assert.match(world.message("VMProvisioned", left), /2 of 3 hosts lack|1 of 3 hosts/);
      assert.match(world.message("VMProvisioned", left), /4096 MiB memory/);
      assert.match(world.message("VMProvisioned", left), /unreachable/);
      assert.equal(world.hosts.count("create"), 3);
      const [first] = placed;
      assert.ok(first !== undefined && left !== undefined);
      await client().delete(microvmMachines, first);
      await world.pass(5_000);
      assert.equal(world.condition("Ready", left), "True Ready");
    });

    test("two clusters never get the same last room: what is promised to one counts for the other", async () => {
      const host = world.addHost(a, { capacity: capacity(2, 4), latencyMs: 500 });
      for (const name of ["demo", "other"]) world.putCluster({ name });
      const keys = [world.putMachine({ name: "m-1" }), world.putMachine({ name: "m-2", cluster: "other" })];
      await world.start();
      await world.pass(10_000);
      assert.deepEqual([host.microVms.length, host.counts.create], [1, 1]);
      const reasons = keys.map((key) => world.condition("VMProvisioned", key)).toSorted();
      assert.deepEqual(reasons, ["False NoHostFits", "True Provisioned"]);
    });

    test("a host that refuses for want of room is left for another one, after it said that it has nothing", async () => {
      const [first, second] = [world.addHost(a), world.addHost(b)];
      for (const host of [first, second])
        host.fail("create", new PlatformError("CAPACITY_EXCEEDED", "no room after all"));
      world.putCluster();
      const key = world.putMachine();
      await world.start();
      await world.pass();
      // Both refuse once; nothing changes there, so neither is asked again at once.
      assert.equal(world.condition("VMProvisioned", key), "False NoHostFits");
      assert.match(world.message("VMProvisioned", key), /10\.0\.0\.1:9090 refused: no room after all/);
      assert.deepEqual([first.counts.create, second.counts.create], [1, 1]);
      await world.pass(70_000);
      assert.equal(world.condition("Ready", key), "True Ready");
      assert.equal(world.hosts.microVms().length, 1);
    });

    test("hosts that cannot do what is asked fall out by name of what they lack", async () => {
      world.addHost(a);
      world.addHost(b, { labels: { disk: "fast" } });
      world.putCluster();
      world.putMachine({ name: "m-1", spec: { networkInterfaces: [{ guestDeviceName: "eth1", type: "macvtap" }] } });
      world.putMachine({ name: "m-2", spec: { provider: "xen" } });
      const labelled = world.putMachine({ name: "m-3", spec: { hostSelector: { matchLabels: { disk: "fast" } } } });
      await world.start();
      await world.pass();
      assert.match(
        world.message("VMProvisioned", { namespace: "default", name: "m-1" }),
        /cannot do macvtap interfaces/,
      );
      assert.match(
        world.message("VMProvisioned", { namespace: "default", name: "m-2" }),
        /cannot do the hypervisor xen/,
      );
      assert.equal(world.machine(labelled)?.status?.failureDomain, b);
    });
  });
});
