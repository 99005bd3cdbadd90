/** A pool as its user sees it; Cluster API, which makes a Machine for each MicrovmMachine, is played. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { findCondition, type KubernetesObject, type ObjectKey } from "@liquidmetal/kubernetes";
import {
  clusters,
  type Machine,
  type MachinePool,
  type MicrovmMachinePool,
  machinePools,
  machines,
  microvmMachinePools,
  microvmMachines,
} from "../api/index.ts";
import { ClusterWorld, machineSpec } from "../testing/cluster-world.ts";
import { LiveCache } from "../testing/live-cache.ts";
import { PoolReconciler } from "./pool-reconciler.ts";

const namespace = "ns";
const key: ObjectKey = { namespace, name: "workers" };

class PoolWorld {
  readonly world: ClusterWorld = new ClusterWorld();
  readonly machines: LiveCache<Machine> = new LiveCache(this.world.api, machines);
  readonly #reconciler: PoolReconciler;
  #bytes = 0;

  constructor(replicas = 2, machinePool: Partial<NonNullable<MachinePool["spec"]>> = {}) {
    const { api, client, clock, caches } = this.world;
    this.#reconciler = new PoolReconciler({
      client,
      clock,
      entropy: { bytes: (length) => new Uint8Array(length).fill(this.#bytes++), fraction: () => 0.5 },
      events: { normal: () => {} },
      caches: {
        ...caches,
        machinePools: new LiveCache(api, machinePools),
        machines: this.machines,
        microvmMachinePools: new LiveCache(api, microvmMachinePools),
      },
    });
    this.world.addCluster("demo", { cluster: { status: { initialization: { infrastructureProvisioned: true } } } });
    const owner = api.put(machinePools, {
      metadata: { namespace, name: "pool" },
      spec: {
        clusterName: "demo",
        replicas,
        template: { spec: { bootstrap: { dataSecretName: "pool-data" } } },
        ...machinePool,
      },
    });
    const reference = { apiVersion: "cluster.x-k8s.io/v1beta2", kind: "MachinePool", name: "pool" };
    api.put(microvmMachinePools, {
      metadata: { ...key, ownerReferences: [{ ...reference, uid: owner.metadata?.uid ?? "" }] },
      spec: { template: { metadata: { labels: { tier: "web" } }, spec: machineSpec } },
    });
  }

  async pass(): Promise<void> {
    await this.#reconciler.reconcile(key, { signal: new AbortController().signal, failures: 0 });
  }

  get pool(): MicrovmMachinePool {
    const pool = this.world.api.read(microvmMachinePools, key);
    assert.ok(pool !== undefined);
    return pool;
  }

  get names(): readonly string[] {
    return this.world.api.objects(microvmMachines).map(({ metadata }) => metadata?.name ?? "");
  }

  condition(type: string): string {
    const { status = "", reason = "", message = "" } = findCondition(this.pool.status?.conditions, type) ?? {};
    return `${status} ${reason}${message === "" ? "" : `: ${message}`}`;
  }

  /** Cluster API makes the Machine and becomes the controller; the machine reconciler makes the microVM. */
  async run(...names: readonly string[]): Promise<void> {
    const { api, client } = this.world;
    for (const name of names) {
      const made = api.put<Machine>(machines, {
        metadata: {
          namespace,
          name,
          labels: { "cluster.x-k8s.io/pool-name": "pool" },
          finalizers: ["machine.cluster.x-k8s.io"],
        },
        spec: { infrastructureRef: { apiGroup: "infrastructure.cluster.x-k8s.io", kind: "MicrovmMachine", name } },
      });
      const machine = api.read(microvmMachines, { namespace, name });
      const controller = {
        apiVersion: "cluster.x-k8s.io/v1beta2",
        kind: "Machine",
        name,
        uid: made.metadata?.uid ?? "",
        controller: true,
      };
      await client.mergePatch(
        microvmMachines,
        { namespace, name },
        {
          metadata: { ownerReferences: [...(machine?.metadata?.ownerReferences ?? []), controller] },
          spec: { providerID: `microvm://10.0.0.1:9090/${name}` },
        },
      );
      const ready = {
        type: "Ready",
        status: "True",
        reason: "Ready",
        message: "",
        lastTransitionTime: "2026-01-01T00:00:00Z",
      };
      const status = { initialization: { provisioned: true }, conditions: [ready] };
      await client.mergePatch(microvmMachines, { namespace, name }, { status }, { subresource: "status" });
    }
  }

  /** Cluster API drains, deletes the infrastructure and lets the Machine go. */
  async finishDeletions(): Promise<readonly string[]> {
    const { api, client } = this.world;
    const going = api.objects(machines).filter(({ metadata }) => metadata?.deletionTimestamp !== undefined);
    for (const { metadata } of going) {
      const one = { namespace, name: metadata?.name ?? "" };
      await client.delete(microvmMachines, one);
      await client.mergePatch(machines, one, { metadata: { finalizers: null } });
    }
    return going.map(({ metadata }) => metadata?.name ?? "");
  }
}

test("a pool makes its machines so that Cluster API finds and adopts them, and tells what it has", async () => {
  const pools = new PoolWorld(2);
  await pools.pass();
  const [first] = pools.world.api.objects(microvmMachines);
  assert.deepEqual(first?.metadata?.labels, {
    tier: "web",
    "cluster.x-k8s.io/cluster-name": "demo",
    "cluster.x-k8s.io/pool-name": "pool",
  });
  assert.equal(first?.metadata?.ownerReferences?.[0]?.kind, "MicrovmMachinePool");
  assert.equal(first?.metadata?.ownerReferences?.[0]?.controller, undefined, "the Machine will be the controller");
  assert.equal(pools.pool.status?.infrastructureMachineKind, "MicrovmMachine");
  assert.equal(pools.condition("ReplicasAvailable"), "False ScalingUp: 0 of 2 machines are ready, 2 were made");
  await pools.pass();
  assert.equal(pools.names.length, 2);
  assert.match(
    pools.condition("ReplicasAvailable"),
    /^False MachinesNotReady: 0 of 2 .*waiting for Cluster API to make/,
  );
  await pools.run(...pools.names);
  await pools.pass();
  const { spec, status } = pools.pool;
  assert.equal(status?.initialization?.provisioned, true);
  assert.equal(status?.ready, true, "what Cluster API reads");
  assert.deepEqual([status?.replicas, status?.readyReplicas], [2, 2]);
  assert.deepEqual(
    spec.providerIDList,
    pools.names.toSorted().map((name) => `microvm://10.0.0.1:9090/${name}`),
  );
  assert.equal(pools.condition("Ready"), "True Ready");
  pools.world.api.forgetCalls();
  await pools.pass();
  assert.deepEqual(pools.world.api.writes(), {}, "a pass that finds all well writes nothing");
});

test("what is waited for is said, and no machine is made before", async () => {
  const pools = new PoolWorld(2, { template: { spec: { bootstrap: {} } } });
  await pools.pass();
  assert.match(pools.condition("ReplicasAvailable"), /^False WaitingForBootstrapData/);
  const status = { initialization: { infrastructureProvisioned: false } };
  await pools.world.client.mergePatch(clusters, { namespace, name: "demo" }, { status }, { subresource: "status" });
  await pools.pass();
  assert.match(pools.condition("ReplicasAvailable"), /^False WaitingForClusterInfrastructure/);
  assert.deepEqual(pools.names, []);
});

test("scaling down deletes the Machine that was chosen, and the list keeps its id until it is gone", async () => {
  const pools = new PoolWorld(3);
  await pools.pass();
  await pools.run(...pools.names);
  const [, chosen = ""] = pools.names;
  const annotations = { "cluster.x-k8s.io/delete-machine": "" };
  await pools.world.client.mergePatch(machines, { namespace, name: chosen }, { metadata: { annotations } });
  await pools.world.client.mergePatch(machinePools, { namespace, name: "pool" }, { spec: { replicas: 2 } });
  await pools.pass();
  await pools.pass();
  assert.match(pools.condition("ReplicasAvailable"), /^False ScalingDown: 1 of 3 machines go/);
  assert.equal(pools.pool.spec.providerIDList?.length, 3);
  assert.deepEqual(await pools.finishDeletions(), [chosen]);
  await pools.pass();
  assert.equal(pools.pool.spec.providerIDList?.length, 2);
  assert.equal(pools.condition("Ready"), "True Ready");
});

test("what was asked to go counts as going though the cache does not show it, and nobody else goes in its place", async () => {
  const pools = new PoolWorld(3);
  await pools.pass();
  await pools.run(...pools.names);
  await pools.world.client.mergePatch(machinePools, { namespace, name: "pool" }, { spec: { replicas: 2 } });
  pools.machines.freeze();
  await pools.pass();
  const going = (): readonly string[] =>
    pools.world.api
      .objects(machines)
      .filter(({ metadata }) => metadata?.deletionTimestamp !== undefined)
      .map(({ metadata }) => metadata?.name ?? "");
  const [first] = going();
  const other = pools.names.find((name) => name !== first) ?? "";
  const unwell = {
    type: "Ready",
    status: "False",
    reason: "NotReady",
    message: "",
    lastTransitionTime: "2026-01-01T00:00:00Z",
  };
  const status = { conditions: [unwell] };
  await pools.world.client.mergePatch(
    microvmMachines,
    { namespace, name: other },
    { status },
    { subresource: "status" },
  );
  await pools.pass();
  assert.deepEqual(going(), [first]);
  pools.machines.thaw();
  await pools.finishDeletions();
  await pools.pass();
  assert.equal(pools.names.length, 2);
  await pools.world.client.mergePatch(machinePools, { namespace, name: "pool" }, { spec: { replicas: 1 } });
  await pools.pass();
  assert.deepEqual(going(), [other], "later ones are chosen as ever");
});

test("a new template replaces one machine after the other", async () => {
  const pools = new PoolWorld(2);
  await pools.pass();
  await pools.run(...pools.names);
  const before = pools.names;
  await pools.world.client.mergePatch(microvmMachinePools, key, { spec: { template: { spec: { vcpu: 4 } } } });
  for (let round = 0; round < 6; round++) {
    await pools.pass();
    assert.ok(pools.names.length <= 3);
    const fresh = pools.names.filter((name) => pools.world.api.read(machines, { namespace, name }) === undefined);
    if (round === 0) {
      assert.equal(fresh.length, 1);
      await pools.pass();
      assert.match(
        pools.condition("ReplicasAvailable"),
        /^False RollingOut: 1 of 2 machines are of the present template/,
      );
      assert.deepEqual(await pools.finishDeletions(), [], "nothing goes before the new one is ready");
    }
    await pools.run(...fresh);
    await pools.pass();
    await pools.finishDeletions();
  }
  await pools.pass();
  assert.equal(pools.names.length, 2);
  assert.deepEqual(
    pools.names.filter((name) => before.includes(name)),
    [],
  );
  assert.equal(pools.condition("Ready"), "True Ready");
});

test("a machine that was remediated away is replaced, and a Machine without one is deleted after a while", async () => {
  const pools = new PoolWorld(1);
  await pools.pass();
  const [name = ""] = pools.names;
  await pools.run(name);
  await pools.world.client.delete(microvmMachines, { namespace, name });
  await pools.pass();
  assert.equal(pools.names.length, 1);
  assert.notEqual(pools.names[0], name);
  assert.equal(pools.world.api.read(machines, { namespace, name })?.metadata?.deletionTimestamp, undefined);
  await pools.world.clock.advance(31_000);
  await pools.pass();
  assert.notEqual(pools.world.api.read(machines, { namespace, name })?.metadata?.deletionTimestamp, undefined);
});

test("with replicas managed by somebody else nothing is made or deleted for their number", async () => {
  const pools = new PoolWorld(2);
  await pools.pass();
  await pools.run(...pools.names);
  await pools.world.client.mergePatch(
    machinePools,
    { namespace, name: "pool" },
    { metadata: { annotations: { "cluster.x-k8s.io/replicas-managed-by": "scaler" } }, spec: { replicas: 9 } },
  );
  await pools.pass();
  assert.equal(pools.names.length, 2);
  assert.equal(pools.condition("Ready"), "True Ready");
});

test("machines keep to the failure domains of the MachinePool, evenly", async () => {
  const pools = new PoolWorld(4, { failureDomains: ["a", "b"] });
  await pools.pass();
  const domains = pools.world.api
    .objects(microvmMachines)
    .map(({ metadata }) => metadata?.annotations?.["capmvm.liquidmetal.dev/failure-domain"]);
  assert.deepEqual(domains.toSorted(), ["a", "a", "b", "b"]);
});

test("paused: nothing but the condition; deleted: through the Machines, then gone", async () => {
  const pools = new PoolWorld(2);
  await pools.world.client.mergePatch(clusters, { namespace, name: "demo" }, { spec: { paused: true } });
  await pools.pass();
  assert.match(pools.condition("Paused"), /^True Paused/);
  assert.deepEqual(pools.names, []);
  await pools.world.client.mergePatch(clusters, { namespace, name: "demo" }, { spec: { paused: null } });
  await pools.pass();
  await pools.run(...pools.names.slice(0, 1));
  await pools.world.client.delete(microvmMachinePools, key);
  await pools.pass();
  assert.match(pools.condition("Deleting"), /^True WaitingForMachines: 2 machines are still there/);
  assert.equal(pools.names.length, 1, "the one without a Machine went at once");
  assert.equal((await pools.finishDeletions()).length, 1);
  await pools.pass();
  assert.equal(pools.world.api.read(microvmMachinePools, key), undefined);
});

test("a pool makes no machine while its MachinePool or its Cluster is being deleted", async () => {
  for (const [kind, owner] of [
    ["MachinePool", { namespace, name: "pool" }],
    ["Cluster", { namespace, name: "demo" }],
  ] as const) {
    const world = new PoolWorld(2);
    const { client } = world.world;
    const resource = kind === "Cluster" ? clusters : machinePools;
    await client.mergePatch<KubernetesObject>(resource, owner, { metadata: { finalizers: ["test/hold"] } });
    await client.delete(resource, owner);
    await world.pass();
    assert.deepEqual(world.names, []);
    assert.equal(
      world.condition("ReplicasAvailable"),
      `False OwnerDeleting: the ${kind} is being deleted: no machine is made`,
    );
  }
});

test("a machine that the API server refuses is said in the same words every time, and made once it may be", async () => {
  const world = new PoolWorld(1);
  const { api } = world.world;
  const message = 'admission webhook "policy.test" denied the request';
  api.fail({ verb: "create", kind: "MicrovmMachine" }, { status: 403, message, times: 2 });
  await assert.rejects(world.pass(), { name: "PlatformError" });
  const said = world.condition("ReplicasAvailable");
  assert.match(said, /^False CreateRefused: the API server refuses to make a machine \(Forbidden\): .*policy\.test/);
  assert.match(world.condition("Ready"), /^False NotReady: .*policy\.test/);
  const written = world.pool.metadata?.resourceVersion;
  await assert.rejects(world.pass());
  assert.deepEqual([world.condition("ReplicasAvailable"), world.pool.metadata?.resourceVersion], [said, written]);
  for (const port of [1, 2]) {
    const words = `failed calling webhook: dial tcp 10.0.0.1:${port}`;
    api.fail({ verb: "create", kind: "MicrovmMachine" }, { status: 500, message: words });
    await assert.rejects(world.pass());
    assert.match(world.condition("ReplicasAvailable"), /CreateRefused: .*dial tcp 10\.0\.0\.1:1$/);
  }
  await world.pass();
  assert.equal(world.names.length, 1);
  assert.match(world.condition("ReplicasAvailable"), /^False ScalingUp: .* 1 were made$/);
});
