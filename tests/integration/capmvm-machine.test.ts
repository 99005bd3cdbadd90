/**
 * Machines on a real API server and fake flintlockds over gRPC, the controller as a process: lives, deaths of microVMs, of the controller in the midst of a
 * create, of the API server. The controller has no resync: whatever it notices, it was told.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { conditionOf, MachinePlane } from "./capmvm-machine-world.ts";

describe("machines on a real API server", () => {
  let plane: MachinePlane;
  before(async () => {
    plane = await MachinePlane.start([{ facts: { name: "one" } }, { facts: { name: "two" } }, { likeUpstream: true }]);
    await plane.startController();
  });
  after(async () => {
    await plane?.[Symbol.asyncDispose]();
  });

  const assertOne = async (name: string): Promise<{ readonly endpoint: string; readonly uid: string }> => {
    const machine = await plane.condition(name, "Ready", "Ready", 90_000);
    const microVms = plane.microVms(name);
    assert.equal(microVms.length, 1, `${microVms.length} microVMs of ${name}`);
    const [microVm] = microVms;
    assert.ok(microVm !== undefined);
    assert.equal(machine.spec.providerID, `microvm://${microVm.endpoint}/${microVm.uid}`);
    assert.equal(machine.status.initialization.provisioned, true);
    assert.equal(machine.status.failureDomain, microVm.endpoint);
    return microVm;
  };
  const playedHost = (endpoint: string) => {
    const fake = plane.hosts.find((host) => host.endpoint === endpoint);
    assert.ok(fake !== undefined);
    return fake;
  };

  test("six machines become microVMs, one each, spread over the hosts, with all that a guest needs", async () => {
    const names = Array.from({ length: 6 }, (_, index) => `m-${index}`);
    await Promise.all(names.map((name) => plane.makeMachine(name)));
    for (const name of names) await assertOne(name);
    const used = new Set(names.flatMap((name) => plane.microVms(name).map(({ endpoint }) => endpoint)));
    assert.equal(used.size, 3);
    const [first] = plane.hosts[0]?.host.microVms ?? [];
    const decoded = (key: string): string => Buffer.from(first?.spec.metadata[key] ?? "", "base64").toString();
    assert.match(decoded("user-data"), /^## template: jinja\n#cloud-config\n/);
    assert.match(decoded("vendor-data"), /^#cloud-config\n.*hostname: m-\d/s);
    assert.match(decoded("meta-data"), new RegExp(`vm_host: "?${plane.hosts[0]?.endpoint}`));
  });

  test("a microVM that dies is a condition within a second, without any resync", async (context) => {
    await plane.makeMachine("mortal", {}, plane.hosts[0]?.endpoint);
    const { endpoint, uid } = await assertOne("mortal");
    const startMs = performance.now();
    playedHost(endpoint).host.die(uid);
    const machine = await plane.condition("mortal", "VMProvisioned", "Failed", 10_000);
    context.diagnostic(`seen after ${Math.round(performance.now() - startMs)} ms`);
    assert.equal(conditionOf(machine, "Ready").status, "False");
    assert.match(conditionOf(machine, "Ready").message, /VmmCrashed/);
    assert.equal(machine.status.initialization.provisioned, true);
  });

  test("one that vanishes is never made again", async () => {
    await plane.makeMachine("fleeting", {}, plane.hosts[1]?.endpoint);
    const { endpoint, uid } = await assertOne("fleeting");
    playedHost(endpoint).host.vanish(uid);
    await plane.condition("fleeting", "VMProvisioned", "Vanished", 10_000);
    assert.deepEqual(plane.microVms("fleeting"), []);
  });

  test("an image that does not exist: the host's reason", async () => {
    const host = playedHost(plane.hosts[0]?.endpoint ?? "").host;
    host.images = new Set(["registry.example/os:1", "registry.example/kernel:1"]);
    await plane.makeMachine(
      "imageless",
      { rootVolume: { id: "root", image: "registry.example/none:1" } },
      plane.hosts[0]?.endpoint,
    );
    const machine = await plane.condition("imageless", "VMProvisioned", "Failed");
    assert.match(conditionOf(machine, "Ready").message, /registry\.example\/none:1/);
    assert.equal(machine.status.initialization?.provisioned, undefined);
    host.images = undefined;
  });

  for (const moment of ["before", "after"] as const) {
    for (const kind of ["ours", "upstream's"] as const) {
      test(`the controller is killed ${moment === "before" ? "as" : "just after"} a host of ${kind} makes the microVM: there is one`, async () => {
        const fake = plane.hosts[kind === "ours" ? 0 : 2];
        assert.ok(fake !== undefined);
        const shot = Promise.withResolvers<void>();
        fake.calls[moment] = (method) => {
          if (method !== "CreateMicroVM") return;
          fake.calls[moment] = undefined;
          plane.shootController();
          shot.resolve();
        };
        const name = `survivor-${moment}-${kind === "ours" ? "a" : "b"}`;
        await plane.makeMachine(name, {}, fake.endpoint);
        await shot.promise;
        await plane.killController();
        await plane.startController();
        await assertOne(name);
        await plane.deleteMachine(name);
        await plane.gone(name);
        assert.deepEqual(plane.microVms(name), []);
      });
    }
  }

  test("the API server is killed and comes back: what was wished meanwhile is done", async () => {
    await plane.server.process("kube-apiserver").restart();
    await plane.makeMachine("late");
    await assertOne("late");
  });

  test("a host that goes away and comes back: no second microVM", async () => {
    const fake = playedHost(plane.hosts[1]?.endpoint ?? "");
    await plane.makeMachine("patient", {}, fake.endpoint);
    await assertOne("patient");
    await fake.stop();
    await plane.condition("patient", "HostReachable", "Unreachable", 30_000);
    assert.equal(conditionOf(await plane.machine("patient"), "Ready").status, "Unknown");
    await fake.start();
    await assertOne("patient");
  });

  test("deleted while its host is away: it says so, and goes when the host is back or its owner lets go", async () => {
    const fake = playedHost(plane.hosts[1]?.endpoint ?? "");
    for (const name of ["waiting", "abandoned"]) {
      await plane.makeMachine(name, {}, fake.endpoint);
      await assertOne(name);
    }
    await fake.stop();
    for (const name of ["waiting", "abandoned"]) {
      await plane.deleteMachine(name);
      const machine = await plane.condition(name, "Deleting", "HostUnreachable");
      assert.match(conditionOf(machine, "Ready").message, /abandon-unreachable-host/);
    }
    await plane.abandon("abandoned");
    await plane.gone("abandoned");
    await fake.start();
    await plane.gone("waiting");
    assert.deepEqual([plane.microVms("waiting").length, plane.microVms("abandoned").length], [0, 1]);
    for (const { uid } of plane.microVms("abandoned")) fake.host.vanish(uid);
  });

  test("deleted, all of them: nothing is left on any host", async () => {
    const { items } = await plane.api.get(
      "/apis/infrastructure.cluster.x-k8s.io/v1beta2/namespaces/default/microvmmachines",
    );
    const names: readonly string[] = items.map((item: { metadata: { name: string } }) => item.metadata.name);
    await Promise.all(names.map((name) => plane.deleteMachine(name)));
    for (const name of names) await plane.gone(name);
    assert.deepEqual(
      plane.hosts.flatMap(({ host }) => host.microVms.map(({ spec }) => spec.name)),
      [],
    );
  });
});
