/** Lives of machines against an API server and hosts in memory: what upstream's tables (dossier 2.4 to 2.8) ask, and what is better here. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { PlatformError } from "@liquidmetal/foundation";
import { type Cluster, clusters, machines, microvmClusters, microvmMachines } from "../api/index.ts";
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
    await world.start(new Life(), { watchFilter: "us" });
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

  test("two clusters never get the same last room: what is promised counts", async () => {
    const host = world.addHost(a, { capacity: capacity(2, 4), latencyMs: 500 });
    world.putCluster();
    world.putMachine({ name: "m-1" });
    world.putMachine({ name: "m-2" });
    await world.start();
    await world.pass(10_000);
    assert.deepEqual([host.microVms.length, host.counts.create], [1, 1]);
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
    assert.match(world.message("VMProvisioned", { namespace: "default", name: "m-1" }), /cannot do macvtap interfaces/);
    assert.match(world.message("VMProvisioned", { namespace: "default", name: "m-2" }), /cannot do the hypervisor xen/);
    assert.equal(world.machine(labelled)?.status?.failureDomain, b);
  });
});

describe("the host fails us", () => {
  test("a lost answer makes no second microVM, on hosts of ours and of upstream", async () => {
    for (const upstream of [false, true]) {
      const fresh = new MachineWorld();
      const host = fresh.addHost(a, { upstream });
      host.fail("create", new PlatformError("CREATE_UNCERTAIN", "no answer"), { applied: true });
      fresh.putCluster();
      const key = fresh.putMachine();
      await fresh.start();
      await fresh.pass(10_000);
      assert.equal(fresh.condition("Ready", key), "True Ready");
      assert.deepEqual([host.microVms.length, host.counts.create], [1, 1]);
      fresh.end();
    }
  });

  test("an answer that never came, and no microVM: asked again, by upstream's hosts only after the request must have died", async () => {
    for (const [upstream, patienceMs] of [
      [false, 5_000],
      [true, 60_000],
    ] as const) {
      const fresh = new MachineWorld();
      const host = fresh.addHost(a, { upstream });
      host.fail("create", new PlatformError("CREATE_UNCERTAIN", "no answer"));
      fresh.putCluster();
      const key = fresh.putMachine();
      await fresh.start();
      await fresh.pass(patienceMs / 2);
      assert.equal(host.counts.create, upstream ? 1 : 2);
      await fresh.pass(patienceMs);
      assert.equal(fresh.condition("Ready", key), "True Ready");
      assert.equal(host.microVms.length, 1);
      fresh.end();
    }
  });

  test("unreachable before it was asked: another host. After it: waiting, unless the user says otherwise", async () => {
    const first = world.addHost(a);
    world.putCluster();
    const key = world.putMachine({ failureDomain: "" });
    first.before = ({ name }) => {
      if (name === "create") first.unreachable();
    };
    const living = await world.start();
    world.hosts.add(b);
    await world.pass();
    assert.equal(world.condition("VMProvisioned"), "False NoHostFits");
    assert.match(world.message("VMProvisioned"), /10\.0\.0\.1:9090 refused: .*refuses connections/);
    living.kill();
    // The next life does not know that nothing was sent.
    const hosts = [a, b].map((endpoint) => ({ endpoint, controlPlaneAllowed: true }));
    await client().mergePatch(microvmClusters, infraKey, { spec: { placement: { staticPool: { hosts } } } });
    await world.start();
    await world.pass(600_000);
    assert.equal(world.condition("VMProvisioned", key), "False WaitingForHost");
    assert.match(world.message("VMProvisioned", key), /may have its microVM already.*abandon-unreachable-host/);
    assert.equal(world.hosts.at(b).counts.create, 0);
    await client().mergePatch(microvmMachines, key, { metadata: { annotations: { [annotation.abandon]: "true" } } });
    await world.pass();
    assert.equal(world.machine(key)?.status?.failureDomain, b);
    assert.ok(world.events.includes("Warning HostAbandoned m-1"));
  });

  test("unreachable between the choice and the request, in one life: another host at once", async () => {
    const first = world.addHost(a);
    world.putCluster();
    const key = world.putMachine({ failureDomain: "" });
    world.cluster.onCall((call, moment) => {
      if (call.verb === "mergePatch" && moment === "after" && first.counts.create === 0) first.unreachable();
    });
    await world.start();
    await world.pass();
    assert.equal(world.condition("VMProvisioned", key), "False NoHostFits");
    world.hosts.add(b);
    const hosts = [a, b].map((endpoint) => ({ endpoint, controlPlaneAllowed: true }));
    await client().mergePatch(microvmClusters, infraKey, { spec: { placement: { staticPool: { hosts } } } });
    await world.pass();
    assert.equal(world.machine(key)?.status?.failureDomain, b);
  });

  test("a provisioned machine is left alone while its host is away, and is seen as it is when it comes back", async () => {
    const host = world.addHost(a);
    world.putCluster();
    const key = world.putMachine();
    await world.start();
    await world.pass();
    const providerID = world.machine(key)?.spec.providerID;
    host.unreachable();
    await world.pass(600_000);
    assert.deepEqual(
      [world.condition("HostReachable"), world.condition("Ready")],
      ["False Unreachable", "Unknown ReadyUnknown"],
    );
    assert.equal(world.condition("VMProvisioned"), "True Provisioned");
    assert.equal(world.machine()?.status?.initialization?.provisioned, true);
    host.reachable();
    await world.pass(100);
    assert.equal(world.condition("Ready"), "True Ready");
    assert.equal(world.machine()?.spec.providerID, providerID);
    assert.equal(host.counts.create, 1);
  });

  test("a microVM that dies is seen at once, without any resync; so is its return", async () => {
    const host = world.addHost(a);
    world.putCluster();
    world.putMachine();
    await world.start();
    await world.pass();
    const uid = host.microVms[0]?.uid ?? "";
    host.die(uid, "exit status 1");
    await world.pass(10);
    assert.equal(world.condition("VMProvisioned"), "False NotRunning");
    assert.match(world.message("Ready"), /exit status 1/);
    assert.ok(world.events.includes("Warning NotRunning m-1"));
    host.set(uid, { state: "created", phase: "running", reason: "", message: "" });
    await world.pass(10);
    assert.equal(world.condition("Ready"), "True Ready");
    assert.ok(world.events.includes("Normal MicroVMRunningAgain m-1"));
  });

  test("a host that calls created what never runs convinces nobody", async () => {
    const host = world.addHost(a, { startupMs: "manual" });
    world.putCluster();
    world.putMachine();
    await world.start();
    await world.pass(10);
    host.set(host.microVms[0]?.uid ?? "", { state: "created", phase: "starting" });
    await world.pass(2_000);
    assert.equal(world.machine()?.status?.initialization?.provisioned, undefined);
    assert.match(world.message("Ready"), /calls it created, but it is starting/);
  });

  test("failed on its host: the host's reason, no second try, no second microVM", async () => {
    const host = world.addHost(a, { startupMs: "manual" });
    world.putCluster();
    world.putMachine();
    await world.start();
    await world.pass(10);
    host.set(host.microVms[0]?.uid ?? "", { state: "failed", reason: "ImageNotFound", message: "os:1 is nowhere" });
    await world.pass(600_000);
    assert.deepEqual([world.condition("VMProvisioned"), world.machine()?.status?.vmState], ["False Failed", "failed"]);
    assert.match(world.message("Ready"), /ImageNotFound: os:1 is nowhere/);
    assert.deepEqual([host.microVms.length, host.counts.create, host.counts.delete], [1, 1, 0]);
  });

  test("vanished after it was provisioned: a condition, and never made again", async () => {
    const host = world.addHost(a);
    world.putCluster();
    world.putMachine();
    await world.start();
    await world.pass();
    host.vanish(host.microVms[0]?.uid ?? "");
    await world.pass(600_000);
    assert.deepEqual(
      [world.condition("VMProvisioned"), world.machine()?.status?.vmState],
      ["False Vanished", "missing"],
    );
    assert.deepEqual([host.microVms.length, host.counts.create], [0, 1]);
  });

  test("a name that is taken is neither adopted nor deleted, and used when it is free", async () => {
    const host = world.addHost(a);
    host.put({ uid: "OLD", namespace: "default", name: "m-1", identity: "someone" });
    world.putCluster();
    world.putMachine();
    await world.start();
    await world.pass(100_000);
    assert.equal(world.condition("VMProvisioned"), "False NameTaken");
    assert.deepEqual([host.microVms.length, host.counts.create, host.counts.delete], [1, 0, 0]);
    host.vanish("OLD");
    await world.pass(1_000);
    assert.equal(world.condition("Ready"), "True Ready");
  });

  test("a spec that the host refuses is said, and not asked for again and again", async () => {
    const host = world.addHost(a);
    host.fail("create", new PlatformError("SPEC_INVALID", "vcpu must be at most 64"), { times: 99 });
    world.putCluster();
    world.putMachine();
    await world.start();
    await world.pass(600_000);
    assert.equal(world.condition("VMProvisioned"), "False CreateRefused");
    assert.match(world.message("Ready"), /vcpu must be at most 64/);
    assert.ok(host.counts.create <= 2, String(host.counts.create));
  });

  test("secrets that are missing, refused credentials: said, and mended", async () => {
    const host = world.addHost(a);
    world.putCluster();
    const key = world.putMachine();
    await world.start();
    await world.pass();
    const plain = world.accessOf;
    world.accessOf = async () => {
      throw new PlatformError("HOST_ACCESS_INVALID", "there is no secret tokens");
    };
    await client().mergePatch(microvmClusters, infraKey, {
      spec: { hostAccess: { tokenSecretRef: { name: "tokens" } } },
    });
    await world.pass(1_000);
    assert.equal(world.condition("HostReachable", key), "False AccessSecretMissing");
    world.accessOf = plain;
    await world.pass(20_000);
    assert.equal(world.condition("Ready", key), "True Ready");
    host.refuse();
    await world.pass(100);
    assert.equal(world.condition("HostReachable", key), "False AccessRefused");
    host.reachable();
    await world.pass(100);
    assert.equal(world.condition("Ready", key), "True Ready");
  });

  test("surplus of a request whose answer was lost is deleted, but nothing while the provider id does not fit", async () => {
    const host = world.addHost(a, { upstream: true });
    world.putCluster();
    const key = world.putMachine();
    await world.start();
    await world.pass();
    const identity = world.machine(key)?.metadata?.uid ?? "";
    const [first] = host.microVms;
    host.put({ uid: "LATE", namespace: "default", name: "m-1", identity });
    await world.pass();
    assert.deepEqual(
      host.microVms.map(({ uid }) => uid),
      [first?.uid],
    );
    assert.ok(world.events.includes("Warning SurplusMicroVMDeleted m-1"));
    await client().mergePatch(microvmMachines, key, { spec: { providerID: `microvm://${a}/TYPO` } });
    await world.pass(100_000);
    assert.equal(world.condition("VMProvisioned"), "False ProviderIDInvalid");
    assert.match(world.message("VMProvisioned"), /changed by hand/);
    assert.equal(host.microVms.length, 1);
  });
});

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
