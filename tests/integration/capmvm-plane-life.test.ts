/**
 * The life of a Cluster on microVMs under the real Cluster API: made, grown, rolled, paused, shrunk, deleted. Hosts are fake flintlockds, guests are played; everything
 * between them is real. After each step the books have to balance.
 */
import assert from "node:assert/strict";
import { after, afterEach, before, describe } from "node:test";
import { assertBooksBalance, load } from "../assets/management/accounting.ts";
import { clusterManifests, machineTemplate, templateRef } from "../assets/management/cluster-manifests.ts";
import { ClusterView } from "../assets/management/cluster-view.ts";
import { eventually } from "../assets/management/json-api.ts";
import { PlayedCluster } from "../assets/management/played-cluster.ts";
import { PlayedGuests } from "../assets/management/played-guests.ts";
import { ProofPlane } from "../assets/management/proof-plane.ts";
import { story } from "../assets/management/steps.ts";

const namespace = "default";

describe("a cluster under the real Cluster API", () => {
  const step = story();
  let proof: ProofPlane;
  let cluster: PlayedCluster;
  let guests: PlayedGuests;
  let view: ClusterView;

  before(async () => {
    // The fourth host is small: what does not fit there has to go elsewhere.
    proof = await ProofPlane.start({
      hosts: 4,
      host: (index) => ({
        facts: { name: `host-${index}`, ...(index === 4 && { capacity: { vcpu: 2, memoryMiB: 4_096 } }) },
      }),
    });
    cluster = await PlayedCluster.start(proof.server.plane, { name: "life", namespace });
    guests = new PlayedGuests({ cluster, hosts: proof.hosts });
    view = new ClusterView(proof.api, cluster, guests);
  });
  after(async () => {
    await guests?.[Symbol.asyncDispose]();
    cluster?.[Symbol.dispose]();
    await proof?.[Symbol.asyncDispose]();
  });
  afterEach(() =>
    eventually(
      "the books balance",
      async () => {
        await assertBooksBalance(proof.api, proof.hosts);
        return true;
      },
      { timeoutMs: 10_000 },
    ),
  );

  step("comes up with three control planes and five workers", async () => {
    const hosts = proof.endpoints;
    await proof.server.plane.kubectl.apply([
      ...cluster.secrets,
      ...clusterManifests({ cluster, hosts, workersOnly: hosts.slice(3), controlPlanes: 3, workers: 5 }),
    ]);
    const machines = await view.available({ controlPlanes: 3, workers: 5 });
    const controlPlanes = machines.filter(({ controlPlane }) => controlPlane);
    assert.equal(new Set(controlPlanes.map(({ host }) => host)).size, 3, "each control plane is on a host of its own");
    const perHost = load(proof.hosts);
    assert.equal(
      perHost.reduce((sum, count) => sum + count, 0),
      8,
    );
    assert.ok((perHost[3] ?? 0) <= 1, `the small host has room for one: ${perHost}`);
    assert.ok(Math.max(...perHost) <= 4, `the others share the rest: ${perHost}`);
  });

  step("tells guests what they need: name, host, uid, bootstrap data", () => {
    assert.equal(guests.booted.size, 8);
    const roles = [...guests.booted.values()].map(({ role }) => role).sort();
    assert.deepEqual(roles.slice(0, 3), ["init", "join-control-plane", "join-control-plane"]);
    for (const { providerId } of guests.booted.values())
      assert.match(providerId, /^microvm:\/\/127\.0\.0\.1:\d+\/[0-9A-Z]+$/);
  });

  step("says what its hosts are and what is promised of them", async () => {
    const { status } = await proof.api.get(view.paths.infrastructure);
    assert.deepEqual(
      status.failureDomains.map(({ name }: { name: string }) => name).sort(),
      [...proof.endpoints].sort(),
    );
    assert.equal(status.initialization.provisioned, true);
    const ready = await view.condition(view.paths.infrastructure, "Ready");
    assert.equal(ready?.status, "True");
  });

  step("grows", async () => {
    await proof.api.merge(view.paths.workers, { spec: { replicas: 7 } });
    await view.available({ controlPlanes: 3, workers: 7 });
  });

  step("does nothing while it is paused, and goes on afterwards", async () => {
    await proof.api.merge(view.paths.cluster, { spec: { paused: true } });
    await view.until("the provider says that it is paused", async () =>
      (await view.condition(view.paths.infrastructure, "Paused"))?.status === "True" ? true : undefined,
    );
    const before = hostCalls(proof);
    const [worker] = await view.workers();
    // The deletion is recorded, and nobody acts upon it.
    await proof.api.delete(`${view.paths.microvmMachines}/${worker?.name}`);
    await view.until("its machine says that it is paused", async () => {
      const paused = await view.condition(`${view.paths.microvmMachines}/${worker?.name}`, "Paused");
      return paused?.status === "True" ? true : undefined;
    });
    assert.deepEqual(hostCalls(proof), before, "no host was asked for anything");
    assert.equal(
      load(proof.hosts).reduce((sum, count) => sum + count, 0),
      10,
    );
    await proof.api.merge(view.paths.cluster, { spec: { paused: false } });
    await view.until("the deleted one is gone", async () =>
      (await proof.api.find(`${view.paths.microvmMachines}/${worker?.name}`)) === undefined ? true : undefined,
    );
    // Its Machine has lost its infrastructure: the owner deletes it, and the set makes another one.
    await proof.api.delete(`${view.paths.machines}/${worker?.name}`);
    await view.available({ controlPlanes: 3, workers: 7 });
  });

  step("shrinks", async () => {
    await proof.api.merge(view.paths.workers, { spec: { replicas: 3 } });
    await view.available({ controlPlanes: 3, workers: 3 });
    assert.equal(
      load(proof.hosts).reduce((sum, count) => sum + count, 0),
      6,
    );
  });

  step("rolls its workers to a new template", async () => {
    const before = new Set((await view.workers()).map(({ name }) => name));
    await proof.server.plane.kubectl.apply([
      machineTemplate(namespace, "life-workers-2", { vcpu: 1, memoryMiB: 1024 }),
    ]);
    await proof.api.merge(view.paths.workers, {
      spec: { template: { spec: { infrastructureRef: templateRef("life-workers-2") } } },
    });
    const after = await view.until(
      "all workers are of the new template",
      async () => {
        const workers = await view.workers();
        return workers.length === 3 && workers.every(({ name }) => !before.has(name)) ? workers : undefined;
      },
      120_000,
    );
    await view.available({ controlPlanes: 3, workers: 3 });
    const sizes = proof.hosts.flatMap(({ host }) => host.microVms.map(({ spec }) => [spec.name, spec.vcpu] as const));
    for (const { name } of after) assert.equal(new Map(sizes).get(name), 1);
  });

  step("rolls its control planes to a new template, one after the other", async () => {
    const before = new Set((await view.controlPlanes()).map(({ name }) => name));
    await proof.server.plane.kubectl.apply([machineTemplate(namespace, "life-control-plane-2", { memoryMiB: 3072 })]);
    await proof.api.merge(view.paths.controlPlane, {
      spec: { machineTemplate: { spec: { infrastructureRef: templateRef("life-control-plane-2") } } },
    });
    let most = 0;
    await view.until(
      "all control planes are of the new template",
      async () => {
        const controlPlanes = await view.controlPlanes();
        most = Math.max(most, controlPlanes.length);
        return controlPlanes.length === 3 && controlPlanes.every(({ name }) => !before.has(name)) ? true : undefined;
      },
      180_000,
    );
    const machines = await view.available({ controlPlanes: 3, workers: 3 });
    assert.ok(most <= 4, `${most} control planes at once`);
    const hosts = machines.filter(({ controlPlane }) => controlPlane).map(({ host }) => host);
    assert.equal(new Set(hosts).size, 3, "they are spread as before");
  });

  step("goes away with everything that it had", async () => {
    await proof.api.delete(view.paths.cluster);
    await view.gone();
    assert.deepEqual(load(proof.hosts), [0, 0, 0, 0]);
    assert.deepEqual(await proof.api.list(view.paths.microvmMachines), []);
    assert.equal(await proof.api.find(view.paths.infrastructure), undefined);
  });
});

/** Calls that change something, by host. */
function hostCalls({ hosts }: ProofPlane): readonly number[] {
  return hosts.map(({ calls }) => calls.count("CreateMicroVM") + calls.count("DeleteMicroVM"));
}
