/** Machines whose hosts fail, lie, refuse or go away: no second microVM, no silent repair, and always the reason. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { PlatformError } from "@liquidmetal/foundation";
import { microvmClusters, microvmMachines } from "../api/index.ts";
import { MachineWorld } from "../testing/machine-world.ts";

const [a, b] = ["10.0.0.1:9090", "10.0.0.2:9090"];
const annotation = {
  host: "capmvm.liquidmetal.dev/host",
  identity: "capmvm.liquidmetal.dev/identity",
  abandon: "capmvm.liquidmetal.dev/abandon-unreachable-host",
};
const infraKey = { namespace: "default", name: "demo-infra" };

describe("machines in trouble", () => {
  let world: MachineWorld;
  beforeEach(() => {
    world = new MachineWorld();
  });
  afterEach(() => world.end());

  const client = () => world.cluster.client({ fieldManager: "someone" });

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
      assert.deepEqual(
        [world.condition("VMProvisioned"), world.machine()?.status?.vmState],
        ["False Failed", "failed"],
      );
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

  describe("what this process cannot know", () => {
    test("a journal that somebody else wrote is read from the API server before the host is asked: caches lag", async () => {
      const [first, second] = [world.addHost(a), world.addHost(b)];
      world.putCluster();
      const key = world.putMachine();
      const uid = world.machine(key)?.metadata?.uid ?? "";
      const journaledAt = (endpoint: string) => ({
        metadata: { annotations: { [annotation.host]: endpoint, [annotation.identity]: uid } },
      });
      await client().mergePatch(microvmMachines, key, journaledAt(a));
      // While this life looks through the first host, its predecessor moves the machine to the second one; no watch tells of it.
      first.before = async ({ name }) => {
        if (name !== "list") return;
        first.before = undefined;
        world.cluster.stallWatches();
        await client().mergePatch(microvmMachines, key, journaledAt(b));
      };
      await world.start();
      await world.pass(10_000);
      assert.deepEqual([first.counts.create, second.counts.create], [0, 1]);
      assert.equal(world.machine(key)?.status?.failureDomain, b);
    });

    test("a new life writes nothing while it gets to know the hosts, nor when it knows them", async () => {
      const first = world.addHost(a);
      world.putCluster();
      const key = world.putMachine();
      const living = await world.start();
      await world.pass();
      living.kill();
      const told = first.health.bind(first);
      const asked = { state: "unknown", sinceMs: world.clock.nowMs(), message: "" } as const;
      first.health = () => asked;
      world.cluster.forgetCalls();
      await world.start();
      await world.pass(3_000);
      first.health = told;
      first.reachable();
      await world.pass(60_000);
      assert.deepEqual(world.cluster.writes(), {});
      assert.equal(world.condition("Ready", key), "True Ready");
    });

    test("a machine that somebody else has placed meanwhile stays where it was placed", async () => {
      const first = world.addHost(a);
      const second = world.hosts.add(b);
      world.putCluster();
      const key = world.putMachine();
      const uid = world.machine(key)?.metadata?.uid ?? "";
      const hook = world.cluster.onCall(async ({ kind, verb }, moment) => {
        if (kind !== "Secret" || verb !== "get" || moment !== "before") return;
        hook[Symbol.dispose]();
        world.cluster.stallWatches();
        const journal = { [annotation.host]: b, [annotation.identity]: uid };
        await client().mergePatch(microvmMachines, key, { metadata: { annotations: journal } });
      });
      await world.start();
      await world.pass(10_000);
      assert.deepEqual([first.counts.create, second.counts.create], [0, 1]);
    });

    test("hosts that have not been heard of are waited for, but not for long", async () => {
      const [first, second] = [world.addHost(a), world.addHost(b)];
      const told = first.health.bind(first);
      const asked = { state: "unknown", sinceMs: world.clock.nowMs(), message: "" } as const;
      first.health = () => asked;
      world.putCluster();
      const key = world.putMachine({ labels: { "cluster.x-k8s.io/deployment-name": "md" } });
      await world.start();
      await world.pass(1_000);
      assert.equal(world.condition("HostReachable", key), "Unknown Connecting");
      first.health = told;
      first.reachable();
      await world.pass(500);
      assert.equal(world.condition("Ready", key), "True Ready");
      second.health = () => asked;
      const later = world.putMachine({ name: "m-2", failureDomain: b });
      await world.pass(10_000);
      assert.match(world.message("Ready", later), /not heard of yet/);
    });
  });
});
