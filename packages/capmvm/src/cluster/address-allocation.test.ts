/** An address for every cluster, none twice: allocated from a list, or claimed from an IPAM provider that the test plays. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { ObjectKey } from "@liquidmetal/kubernetes";
import { clusters, ipAddressClaims, ipAddresses, type MicrovmCluster, microvmClusters } from "../api/index.ts";
import { ClusterWorld, machineSpec, poolOf } from "../testing/cluster-world.ts";
import { AddressAllocator, type Allocation } from "./address-allocation.ts";
import { ClusterReconciler } from "./cluster-reconciler.ts";
import { ControlPlaneProbes } from "./control-plane-probes.ts";
import { takenAddresses } from "./taken-addresses.ts";

const host = "10.0.0.1:9090";
const signal = new AbortController().signal;

class Pool extends ClusterWorld {
  readonly #reconciler: ClusterReconciler = this.anotherReconciler();

  constructor() {
    super();
    this.hosts.add(host);
  }

  /** Of another process: shares the API server only. */
  anotherReconciler(): ClusterReconciler {
    return new ClusterReconciler(this, new ControlPlaneProbes(this));
  }

  allocator(): AddressAllocator {
    return new AddressAllocator({ client: this.client, ...this.caches });
  }

  async allocate(
    key: ObjectKey,
    addresses: readonly string[],
    by: AddressAllocator = this.allocator(),
  ): Promise<Allocation> {
    return await by.allocate(this.microvmCluster(key), { addresses, port: 6_443 }, signal);
  }

  async pass(key: ObjectKey, by: ClusterReconciler = this.#reconciler): Promise<void> {
    await by.reconcile(key, { signal, failures: 0 });
  }

  from(name: string, ...addresses: readonly string[]): ObjectKey {
    return this.addCluster(name, { spec: { ...poolOf(host), controlPlaneAddressPool: { addresses, port: 6_443 } } });
  }
}

test("what is in use is not given: endpoints of all clusters, wishes, static addresses of machines, hosts", () => {
  const world = new Pool();
  const given = world.addCluster("given", { spec: { controlPlaneEndpoint: { host: "10.0.0.2", port: 1 } } });
  world.addCluster("elsewhere", { cluster: { spec: { controlPlaneEndpoint: { host: "10.0.0.3", port: 1 } } } });
  world.addCluster("wishing", { metadata: { annotations: { "capmvm.liquidmetal.dev/address-claim": "10.0.0.4" } } });
  world.addCluster("named", { spec: { controlPlaneEndpoint: { host: "api.example.com", port: 1 } } });
  const { caches } = world;
  const taken = takenAddresses(
    {
      microvmClusters: caches.microvmClusters.list(),
      clusters: caches.clusters.list(),
      microvmMachines: [
        {
          metadata: { namespace: "ns", name: "m" },
          spec: {
            ...machineSpec,
            networkInterfaces: [{ guestDeviceName: "eth0", type: "tap", address: "10.0.0.5/24" }],
          },
        },
      ],
    },
    world.microvmCluster(given),
  );
  assert.deepEqual(Object.fromEntries(taken), {
    "10.0.0.1": "host 10.0.0.1:9090",
    "10.0.0.3": "Cluster ns/elsewhere",
    "10.0.0.4": "MicrovmCluster ns/wishing",
    "10.0.0.5": "MicrovmMachine ns/m",
    ...(taken.has("10.0.0.2") ? { "10.0.0.2": "host 10.0.0.2:9090" } : {}),
  });
});

test("clusters get addresses in turn; the last one waits with the reason, and gets what becomes free", async () => {
  const world = new Pool();
  const keys = ["a", "b", "c"].map((name) => world.from(name, "10.0.0.240-10.0.0.241"));
  for (const key of keys) await world.pass(key);
  const [a, b, c] = keys as [ObjectKey, ObjectKey, ObjectKey];
  assert.deepEqual([world.endpoint(a), world.endpoint(b), world.endpoint(c)], ["10.0.0.240", "10.0.0.241", ""]);
  assert.equal(
    world.condition(c, "EndpointAvailable"),
    "False AddressPoolExhausted: every address of 10.0.0.240-10.0.0.241 is in use: 10.0.0.240 by MicrovmCluster ns/a, " +
      "10.0.0.241 by MicrovmCluster ns/b; add addresses or delete a cluster",
  );
  assert.equal(world.microvmCluster(c).status?.initialization?.provisioned, undefined);
  await world.client.delete(microvmClusters, a);
  await world.pass(a);
  await world.client.delete(clusters, a);
  await world.pass(c);
  assert.equal(world.endpoint(c), "10.0.0.240");
  assert.equal(world.microvmCluster(c).metadata?.annotations, undefined, "the wish is gone with its fulfilment");
});

test("clusters of one name in two namespaces get two addresses of one pool", async () => {
  const world = new Pool();
  const controlPlaneAddressPool = { addresses: ["10.0.0.240-10.0.0.241"], port: 6_443 };
  const keys = ["team-a", "team-b", "team-c"].map((namespace) =>
    world.addCluster("demo", { namespace, spec: { ...poolOf(host), controlPlaneAddressPool } }),
  );
  for (const key of keys) await world.pass(key);
  assert.deepEqual(
    keys.map((key) => world.endpoint(key)),
    ["10.0.0.240", "10.0.0.241", ""],
  );
  assert.match(
    world.condition(keys[2] ?? assert.fail(), "EndpointAvailable"),
    /^False AddressPoolExhausted: .* 10\.0\.0\.240 by MicrovmCluster team-a\/demo, 10\.0\.0\.241 by MicrovmCluster team-b\/demo;/,
  );
});

test("an endpoint that is there stays, whatever the pool says later", async () => {
  const world = new Pool();
  const key = world.from("a", "10.0.0.240");
  await world.pass(key);
  await world.client.mergePatch(microvmClusters, key, {
    spec: { controlPlaneAddressPool: { addresses: ["10.0.0.99"] } },
  });
  await world.pass(key);
  assert.equal(world.endpoint(key), "10.0.0.240");
});

test("two processes whose caches stand still never give the same address", async () => {
  const world = new Pool();
  const [a, b] = [world.from("a", "10.0.0.240"), world.from("b", "10.0.0.240")];
  world.caches.microvmClusters.freeze();
  const [one, two] = [world.allocator(), world.allocator()];
  const outcomes = await Promise.all([world.allocate(a, ["10.0.0.240"], one), world.allocate(b, ["10.0.0.240"], two)]);
  assert.ok(outcomes.filter(({ outcome }) => outcome === "allocated").length <= 1);
  world.caches.microvmClusters.thaw();
  for (const [key, by] of [
    [a, one],
    [b, two],
  ] as const) {
    if (world.endpoint(key) === "") await world.allocate(key, ["10.0.0.240"], by);
  }
  assert.deepEqual([world.endpoint(a), world.endpoint(b)].toSorted(), ["", "10.0.0.240"]);
});

test("at whatever point between two calls another one takes the address, it is not taken twice", async () => {
  for (let nth = 0; nth < 5; nth++) {
    const world = new Pool();
    const [a, b] = [world.from("a", "10.0.0.240-10.0.0.241"), world.from("b", "10.0.0.240-10.0.0.241")];
    let calls = 0;
    const hook = world.api.onCall(async (_, moment) => {
      if (moment === "before" && calls++ === nth) await world.allocate(b, ["10.0.0.240-10.0.0.241"]);
    });
    for (let attempt = 0; attempt < 5 && world.endpoint(a) === ""; attempt++) {
      await world.allocate(a, ["10.0.0.240-10.0.0.241"]);
    }
    hook[Symbol.dispose]();
    if (world.endpoint(b) === "") await world.allocate(b, ["10.0.0.240-10.0.0.241"]);
    assert.deepEqual([world.endpoint(a), world.endpoint(b)].toSorted(), ["10.0.0.240", "10.0.0.241"], `call ${nth}`);
  }
});

test("two processes on one cluster write one endpoint, whatever comes between", async () => {
  for (let nth = 0; nth < 5; nth++) {
    const world = new Pool();
    const key = world.from("a", "10.0.0.240-10.0.0.245");
    const seen: string[] = [];
    let calls = 0;
    using _ = world.api.onCall(async (_, moment) => {
      if (moment === "before" && calls++ === nth) await world.allocate(key, ["10.0.0.245"]);
      if (moment === "after" && world.endpoint(key) !== "") seen.push(world.endpoint(key));
    });
    for (let attempt = 0; attempt < 5 && world.endpoint(key) === ""; attempt++) {
      await world.allocate(key, ["10.0.0.240-10.0.0.245"]);
    }
    assert.equal(new Set(seen).size, 1, `call ${nth}: ${seen.join(" ")}`);
  }
});

test("a crash after the wish goes on with the same address; its wish keeps others away", async () => {
  const world = new Pool();
  const [a, b] = [world.from("a", "10.0.0.240"), world.from("b", "10.0.0.240")];
  world.api.fail({ verb: "list" }, { status: 0, times: 1 });
  await assert.rejects(world.allocate(a, ["10.0.0.240"]));
  assert.equal((await world.allocate(b, ["10.0.0.240"])).outcome, "exhausted");
  assert.equal((await world.allocate(a, ["10.0.0.240"])).outcome, "allocated");
});

test("a wish that a cut-off move left behind, owned by clusterctl, keeps nobody from an address and goes", async () => {
  for (const left of ["10.0.0.240", "10.9.9.9"]) {
    const world = new Pool();
    const key = world.from("a", "10.0.0.240");
    const annotations = { "capmvm.liquidmetal.dev/address-claim": left };
    await world.client.mergePatch(microvmClusters, key, { metadata: { annotations } }, { fieldManager: "clusterctl" });
    for (let attempt = 0; attempt < 2 && world.endpoint(key) === ""; attempt++) {
      await world.allocate(key, ["10.0.0.240"]);
    }
    assert.equal(world.endpoint(key), "10.0.0.240", left);
    assert.equal(world.microvmCluster(key).metadata?.annotations?.["capmvm.liquidmetal.dev/address-claim"], undefined);
  }
});

test("a cluster that is deleted and made again meanwhile is not written to", async () => {
  const world = new Pool();
  const key = world.from("a", "10.0.0.240");
  const before: MicrovmCluster = world.microvmCluster(key);
  await world.client.delete(microvmClusters, key);
  await world.client.delete(clusters, key);
  world.from("a", "10.0.0.240");
  const allocation = await world.allocator().allocate(before, { addresses: ["10.0.0.240"], port: 1 }, signal);
  assert.equal(allocation.outcome, "contended");
  assert.equal(world.endpoint(key), "");
});

test("an address is claimed from an IPAM provider, waited for with its own words, and given back", async () => {
  const world = new Pool();
  const poolRef = { apiGroup: "ipam.example.com", kind: "GlobalPool", name: "vips" };
  const key = world.addCluster("demo", {
    spec: { ...poolOf(host), controlPlaneAddressPool: { poolRef, port: 8_443 } },
  });
  const claimKey = { namespace: "ns", name: "demo-control-plane" };
  await world.pass(key);
  const claim = world.api.read(ipAddressClaims, claimKey);
  assert.deepEqual(claim?.spec, { clusterName: "demo", poolRef });
  const { kind, controller, blockOwnerDeletion, uid } = claim?.metadata?.ownerReferences?.[0] ?? {};
  assert.deepEqual(
    { kind, controller, blockOwnerDeletion, uid },
    {
      kind: "MicrovmCluster",
      controller: true,
      blockOwnerDeletion: true,
      uid: world.microvmCluster(key).metadata?.uid,
    },
  );
  assert.match(world.condition(key, "EndpointAvailable"), /^False WaitingForAddress: GlobalPool vips has not given/);
  const exhausted = { type: "Ready", status: "False", reason: "PoolExhausted", message: "no address left" };
  await world.client.mergePatch(
    ipAddressClaims,
    claimKey,
    { status: { conditions: [exhausted] } },
    { subresource: "status" },
  );
  await world.pass(key);
  assert.match(world.condition(key, "EndpointAvailable"), /yet: no address left$/);
  world.api.put(ipAddresses, {
    metadata: { namespace: "ns", name: "vip-1" },
    spec: { claimRef: { name: claimKey.name }, poolRef, address: "10.0.0.250", prefix: 24 },
  });
  await world.client.mergePatch(
    ipAddressClaims,
    claimKey,
    { metadata: { finalizers: ["ipam.example.com/address"] }, status: { addressRef: { name: "vip-1" } } },
    { subresource: "status" },
  );
  await world.client.mergePatch(ipAddressClaims, claimKey, { metadata: { finalizers: ["ipam.example.com/address"] } });
  await world.pass(key);
  assert.deepEqual(world.microvmCluster(key).spec.controlPlaneEndpoint, { host: "10.0.0.250", port: 8_443 });
  assert.equal(world.microvmCluster(key).status?.initialization?.provisioned, true);
  await world.client.delete(microvmClusters, key);
  await world.pass(key);
  assert.match(world.condition(key, "Deleting"), /^True WaitingForAddressRelease/);
  await world.client.mergePatch(ipAddressClaims, claimKey, { metadata: { finalizers: null } });
  await world.pass(key);
  assert.equal(world.api.read(microvmClusters, key), undefined);
});

test("a claim of the same name that is somebody else's, and an address that is in use, are not taken", async () => {
  const world = new Pool();
  const poolRef = { apiGroup: "ipam.example.com", kind: "GlobalPool", name: "vips" };
  const spec = { ...poolOf(host), controlPlaneAddressPool: { poolRef, port: 6_443 } };
  world.api.put(ipAddressClaims, { metadata: { namespace: "ns", name: "demo-control-plane" }, spec: { poolRef } });
  const key = world.addCluster("demo", { spec });
  await world.pass(key);
  assert.match(world.condition(key, "EndpointAvailable"), /^False AddressPoolInvalid: .* belongs to somebody else/);
  const second = world.addCluster("second", { spec });
  world.addCluster("holder", { spec: { ...poolOf(host), controlPlaneEndpoint: { host: "10.0.0.250", port: 1 } } });
  await world.pass(second);
  const claimKey = { namespace: "ns", name: "second-control-plane" };
  world.api.put(ipAddresses, {
    metadata: { namespace: "ns", name: "vip-1" },
    spec: { claimRef: { name: claimKey.name }, poolRef, address: "10.0.0.250" },
  });
  const status = { addressRef: { name: "vip-1" } };
  await world.client.mergePatch(ipAddressClaims, claimKey, { status }, { subresource: "status" });
  await world.pass(second);
  assert.match(
    world.condition(second, "EndpointAvailable"),
    /^False AddressPoolInvalid: GlobalPool vips gave 10.0.0.250, which MicrovmCluster ns\/holder has/,
  );
  assert.equal(world.endpoint(second), "");
});
