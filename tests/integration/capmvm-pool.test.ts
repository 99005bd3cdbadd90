/**
 * A MachinePool on microVMs under the real Cluster API: filled, scaled down by the user's choice, rolled out one by one, healed, deleted. Hosts are fake flintlockds,
 * guests are played; everything between them is real. After each step the books have to balance.
 */
import assert from "node:assert/strict";
import { after, afterEach, before, describe } from "node:test";
import { assertBooksBalance } from "../assets/management/accounting.ts";
import { clusterManifests, machinePool } from "../assets/management/cluster-manifests.ts";
import { ClusterView, type Machine } from "../assets/management/cluster-view.ts";
import { eventually, type Json } from "../assets/management/json-api.ts";
import { PlayedCluster } from "../assets/management/played-cluster.ts";
import { PlayedGuests } from "../assets/management/played-guests.ts";
import { ProofPlane } from "../assets/management/proof-plane.ts";
import { story } from "../assets/management/steps.ts";

const namespace = "default";

describe("a pool of machines under the real Cluster API", () => {
  const step = story();
  let proof: ProofPlane;
  let cluster: PlayedCluster;
  let guests: PlayedGuests;
  let view: ClusterView;
  let pool: string;
  let microVmPool: string;

  before(async () => {
    proof = await ProofPlane.start({ hosts: 3 });
    cluster = await PlayedCluster.start(proof.server.plane, { name: "pooled", namespace });
    guests = new PlayedGuests({ cluster, hosts: proof.hosts });
    view = new ClusterView(proof.api, cluster, guests);
    pool = view.paths.machines.replace(/machines$/, "machinepools/pool");
    microVmPool = view.paths.microvmMachines.replace(/microvmmachines$/, "microvmmachinepools/pool");
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

  /** The pool's Machines, once there are exactly so many, all running, and the pool says that it is ready. */
  const settled = (count: number, wanted: (machines: readonly Machine[]) => boolean = () => true) =>
    view.until(
      `the pool has ${count} machines`,
      async () => {
        const machines = await view.workers();
        const running = machines.every(({ phase, deleting }) => phase === "Running" && !deleting);
        const { spec, status } = await proof.api.get(microVmPool);
        const ready = status.conditions.find(({ type }: Json) => type === "Ready")?.status === "True";
        const listed = (await proof.api.get(pool)).spec.providerIDList ?? [];
        assert.deepEqual([machines.length, running, ready, listed], [count, true, true, spec.providerIDList ?? []]);
        return wanted(machines) ? machines : undefined;
      },
      120_000,
    );

  step("is filled, each machine with a Machine and a Node, spread over the hosts", async () => {
    await proof.server.plane.kubectl.apply([
      ...cluster.secrets,
      ...clusterManifests({ cluster, hosts: proof.endpoints, controlPlanes: 1, workers: 0 }),
      ...machinePool(cluster, "pool", 3),
    ]);
    const machines = await settled(3);
    assert.equal(new Set(machines.map(({ host }) => host)).size, 3);
    assert.deepEqual(
      (await proof.api.get(microVmPool)).spec.providerIDList,
      machines.map(({ providerId }) => providerId),
    );
  });

  step("gives up the machine that was chosen", async () => {
    const before = await view.workers();
    const [, chosen] = before;
    const annotations = { "cluster.x-k8s.io/delete-machine": "" };
    await proof.api.merge(`${view.paths.machines}/${chosen?.name}`, { metadata: { annotations } });
    await proof.api.merge(pool, { spec: { replicas: 2 } });
    const left = await settled(2);
    assert.deepEqual(
      left.map(({ name }) => name),
      before.filter((machine) => machine !== chosen).map(({ name }) => name),
    );
  });

  step("replaces one machine after the other when the template changes", async () => {
    const before = new Set((await view.workers()).map(({ name }) => name));
    await proof.api.merge(microVmPool, { spec: { template: { spec: { memoryMiB: 3_072 } } } });
    await settled(2, (machines) => machines.every(({ name }) => !before.has(name)));
    const memory = new Map(
      proof.hosts.flatMap(({ host }) => host.microVms.map(({ spec }) => [spec.name, spec.memoryMiB] as const)),
    );
    for (const { name } of await view.workers()) assert.equal(memory.get(name), 3_072);
  });

  step("replaces a machine whose Machine is deleted, as a health check does", async () => {
    const [sick] = await view.workers();
    await proof.api.delete(`${view.paths.machines}/${sick?.name}`);
    await settled(2, (machines) => machines.every(({ name }) => name !== sick?.name));
  });

  step("is deleted with everything that it made", async () => {
    await proof.api.delete(pool);
    await view.until("the pool is gone", async () =>
      (await proof.api.find(pool)) === undefined && (await proof.api.find(microVmPool)) === undefined
        ? true
        : undefined,
    );
    await view.until("its Machines are gone", async () => ((await view.workers()).length === 0 ? true : undefined));
    await proof.api.delete(view.paths.cluster);
    await view.gone();
    assert.equal(
      proof.hosts.reduce((sum, { host }) => sum + host.microVms.length, 0),
      0,
    );
  });
});
