/** What a user sees of a MicrovmCluster in every state that it can be in. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { PlatformError } from "@liquidmetal/foundation";
import type { ObjectKey, ReconcileResult } from "@liquidmetal/kubernetes";
import { clusters, microvmClusters, microvmMachines } from "../api/index.ts";
import { ClusterWorld, hostA, hostB, poolOf } from "../testing/cluster-world.ts";
import { ClusterReconciler } from "./cluster-reconciler.ts";
import { ControlPlaneProbes } from "./control-plane-probes.ts";

const endpoint = { host: "10.0.0.240", port: 6_443 };

class Reconciled extends ClusterWorld {
  readonly probes: ControlPlaneProbes = new ControlPlaneProbes(this);
  readonly #reconciler: ClusterReconciler = new ClusterReconciler(this, this.probes);

  constructor(...endpoints: readonly string[]) {
    super();
    for (const host of endpoints) this.hosts.add(host);
  }

  async pass(key: ObjectKey): Promise<ReconcileResult | undefined> {
    const result = await this.#reconciler.reconcile(key, { signal: new AbortController().signal, failures: 0 });
    await this.clock.advance(0);
    return result;
  }
}

test("a cluster with an endpoint and hosts is provisioned in one pass, and a second pass writes nothing", async () => {
  const world = new Reconciled(hostA, hostB);
  const key = world.addCluster("demo", { spec: { controlPlaneEndpoint: endpoint } });
  await world.pass(key);
  const { status, metadata } = world.microvmCluster(key);
  assert.equal(status?.initialization?.provisioned, true);
  assert.deepEqual(status?.failureDomains, [
    { name: hostA, controlPlane: true },
    { name: hostB, controlPlane: true },
  ]);
  assert.deepEqual(metadata?.finalizers, ["microvmcluster.infrastructure.cluster.x-k8s.io"]);
  assert.equal(world.condition(key, "EndpointAvailable"), "True Available");
  assert.equal(world.condition(key, "HostsAvailable"), "True Available");
  assert.equal(world.condition(key, "Paused"), "False NotPaused");
  assert.match(world.condition(key, "ControlPlaneReachable"), /^Unknown WaitingForControlPlane/);
  assert.match(world.condition(key, "Ready"), /^True Ready/);
  assert.deepEqual(world.api.writes(), { "MicrovmCluster apply": 1, "MicrovmCluster/status apply": 1 });
  await world.pass(key);
  assert.deepEqual(world.api.writes(), { "MicrovmCluster apply": 1, "MicrovmCluster/status apply": 1 });
  assert.deepEqual(
    world.told.map(({ reason }) => reason),
    ["EndpointAvailable", "HostsAvailable", "Provisioned"],
  );
});

test("where the endpoint comes from decides what is said of it", async () => {
  const rows: readonly (readonly [Parameters<Reconciled["addCluster"]>[1], RegExp, boolean])[] = [
    [{}, /^False WaitingForEndpoint: neither the Cluster nor the MicrovmCluster has a controlPlaneEndpoint/, false],
    [{ cluster: { spec: { controlPlaneEndpoint: { host: "", port: 0 } } } }, /^False WaitingForEndpoint/, false],
    [{ cluster: { spec: { controlPlaneEndpoint: endpoint } } }, /^True Available$/, true],
    [{ spec: { controlPlaneEndpoint: endpoint } }, /^True Available$/, true],
    [
      { spec: { controlPlaneEndpoint: endpoint }, cluster: { spec: { controlPlaneEndpoint: endpoint } } },
      /^True Available$/,
      true,
    ],
    [
      {
        spec: { controlPlaneEndpoint: { ...endpoint, host: "fd00:0::1" } },
        cluster: { spec: { controlPlaneEndpoint: { ...endpoint, host: "fd00::1" } } },
      },
      /^True Available$/,
      true,
    ],
    [
      {
        spec: { controlPlaneEndpoint: endpoint },
        cluster: { spec: { controlPlaneEndpoint: { ...endpoint, host: "10.0.0.9" } } },
      },
      /^False EndpointChanged: the Cluster has 10.0.0.9:6443 and the MicrovmCluster 10.0.0.240:6443/,
      false,
    ],
    [
      { spec: { controlPlaneAddressPool: { addresses: ["10.0.0.900"], port: 6_443 } } },
      /^False AddressPoolInvalid: "10.0.0.900" is neither/,
      false,
    ],
    [{ spec: { controlPlaneAddressPool: { port: 6_443 } } }, /^False AddressPoolInvalid: .* has neither/, false],
    [{ spec: { controlPlaneAddressPool: { addresses: ["10.0.0.240"], port: 6_443 } } }, /^True Available$/, true],
  ];
  for (const [parts, condition, provisioned] of rows) {
    const world = new Reconciled(hostA, hostB);
    const key = world.addCluster("demo", parts);
    await world.pass(key);
    assert.match(world.condition(key, "EndpointAvailable"), condition);
    assert.equal(world.microvmCluster(key).status?.initialization?.provisioned === true, provisioned);
    assert.match(world.condition(key, "Ready"), provisioned ? /^True/ : /^False NotReady: EndpointAvailable/);
  }
});

test("a cluster without an endpoint waits without being asked again, and goes on when the Cluster gets one", async () => {
  const world = new Reconciled(hostA, hostB);
  const key = world.addCluster("demo");
  const result = await world.pass(key);
  assert.ok((result?.requeueAfterMs ?? Number.POSITIVE_INFINITY) > 60_000);
  await world.client.mergePatch(clusters, key, { spec: { controlPlaneEndpoint: endpoint } });
  await world.pass(key);
  assert.equal(world.microvmCluster(key).status?.initialization?.provisioned, true);
  assert.equal(world.endpoint(key), "", "what the user said on the Cluster is not copied");
});

test("an endpoint that changes after provisioning is a condition, and takes nothing back", async () => {
  const world = new Reconciled(hostA, hostB);
  const key = world.addCluster("demo", { cluster: { spec: { controlPlaneEndpoint: endpoint } } });
  await world.pass(key);
  await world.client.mergePatch(microvmClusters, key, { spec: { controlPlaneEndpoint: { host: "other", port: 1 } } });
  await world.pass(key);
  assert.match(world.condition(key, "EndpointAvailable"), /^False EndpointChanged/);
  assert.match(world.condition(key, "Ready"), /^False NotReady/);
  assert.equal(world.microvmCluster(key).status?.initialization?.provisioned, true);
});

test("without a Cluster nothing is done but to say so, until the Cluster takes it", async () => {
  const world = new Reconciled(hostA);
  const key = world.addCluster("demo", { metadata: { ownerReferences: [] }, spec: { controlPlaneEndpoint: endpoint } });
  await world.pass(key);
  assert.match(world.condition(key, "Ready"), /^Unknown ReadyUnknown: .*no Cluster refers to this MicrovmCluster yet/);
  assert.equal(world.microvmCluster(key).metadata?.finalizers, undefined);
  assert.equal(world.hosts.accesses.length, 0);
});

test("paused by the Cluster or by annotation: only Paused is written, once, and no host is asked", async () => {
  for (const parts of [
    { cluster: { spec: { paused: true } } },
    { metadata: { annotations: { "cluster.x-k8s.io/paused": "" } } },
  ]) {
    const world = new Reconciled(hostA);
    const key = world.addCluster("demo", { spec: { controlPlaneEndpoint: endpoint }, ...parts });
    const owned = world.microvmCluster(key).metadata?.ownerReferences;
    await world.pass(key);
    await world.pass(key);
    assert.deepEqual(world.microvmCluster(key).metadata?.ownerReferences, owned);
    assert.match(world.condition(key, "Paused"), /^True Paused/);
    assert.deepEqual(world.api.writes(), { "MicrovmCluster/status apply": 1 });
    assert.equal(world.hosts.accesses.length, 0);
  }
});

test("an externally managed cluster is left alone", async () => {
  const world = new Reconciled(hostA);
  const key = world.addCluster("demo", { metadata: { annotations: { "cluster.x-k8s.io/managed-by": "" } } });
  await world.pass(key);
  assert.deepEqual(world.api.writes(), {});
});

test("hosts that do not answer are said by name; some may fail, not all", async () => {
  const world = new Reconciled(hostA, hostB);
  const key = world.addCluster("demo", { spec: { controlPlaneEndpoint: endpoint } });
  world.hosts.at(hostB).unreachable("no route to host");
  await world.pass(key);
  assert.equal(
    world.condition(key, "HostsAvailable"),
    `False SomeUnavailable: ${hostB} does not answer: no route to host`,
  );
  assert.match(world.condition(key, "Ready"), /^True Ready: HostsAvailable: /);
  assert.deepEqual(
    world.microvmCluster(key).status?.hosts?.map(({ state, message = "" }) => [state, message]),
    [
      ["Reachable", ""],
      ["Unreachable", "no route to host"],
    ],
  );
  world.hosts.at(hostA).refuse("token expired");
  await world.pass(key);
  assert.match(
    world.condition(key, "HostsAvailable"),
    /^False NoneAvailable: .*refuses our credentials.*token expired/,
  );
  assert.match(world.condition(key, "Ready"), /^False NotReady/);
  assert.equal(world.microvmCluster(key).status?.initialization?.provisioned, true);
  assert.equal(world.microvmCluster(key).status?.failureDomains?.length, 2);
  world.hosts.at(hostA).reachable();
  world.hosts.at(hostB).reachable();
  await world.pass(key);
  assert.equal(world.condition(key, "HostsAvailable"), "True Available");
});

test("a host that stays down takes no new control plane after a minute, and does again when it is back", async () => {
  const world = new Reconciled(hostA, hostB);
  const key = world.addCluster("demo", { spec: { controlPlaneEndpoint: endpoint } });
  const controlPlane = (): unknown =>
    world.microvmCluster(key).status?.failureDomains?.map((domain) => domain.controlPlane);
  world.hosts.at(hostB).unreachable();
  const result = await world.pass(key);
  assert.deepEqual(controlPlane(), [true, true]);
  assert.equal(result?.requeueAfterMs, 60_000);
  await world.clock.advance(60_000);
  await world.pass(key);
  assert.deepEqual(controlPlane(), [true, false]);
  world.hosts.at(hostA).unreachable();
  await world.clock.advance(60_000);
  await world.pass(key);
  assert.deepEqual(controlPlane(), [true, true], "when all are down none is worse than another");
  world.hosts.at(hostB).reachable();
  await world.pass(key);
  assert.deepEqual(controlPlane(), [false, true]);
});

test("a host that fails with another text each time is written at most every 30 s, another state at once", async () => {
  const world = new Reconciled(hostA, hostB);
  const key = world.addCluster("demo", { spec: { controlPlaneEndpoint: endpoint } });
  await world.pass(key);
  world.hosts.at(hostB).unreachable("connection refused");
  await world.pass(key);
  const words = (): string | undefined => world.microvmCluster(key).status?.hosts?.[1]?.message;
  const writes = world.api.writes();
  for (const text of ["no answer in time", "connection refused", "no answer in time"]) {
    world.hosts.at(hostB).unreachable(text);
    await world.clock.advance(1_000);
    await world.pass(key);
    assert.equal(words(), "connection refused");
  }
  assert.deepEqual(world.api.writes(), writes);
  world.hosts.at(hostB).refuse("token expired");
  await world.pass(key);
  assert.equal(words(), "token expired");
  world.hosts.at(hostB).refuse("token unknown");
  await world.clock.advance(30_000);
  await world.pass(key);
  assert.equal(words(), "token unknown");
});

test("a failure domain carries what the user says of its host", async () => {
  const world = new Reconciled(hostA);
  const labels = { "topology.test/rack": "r1" };
  const hosts = [{ endpoint: hostA, name: "first", controlPlaneAllowed: false, labels }];
  const spec = { controlPlaneEndpoint: endpoint, placement: { staticPool: { hosts } } };
  const key = world.addCluster("demo", { spec });
  await world.pass(key);
  assert.deepEqual(world.microvmCluster(key).status?.failureDomains, [
    { name: hostA, controlPlane: false, attributes: { name: "first", "label/topology.test/rack": "r1" } },
  ]);
});

test("a pool without hosts is said, and not called provisioned until it has one", async () => {
  const world = new Reconciled(hostA);
  const key = world.addCluster("demo", { spec: { controlPlaneEndpoint: endpoint, ...poolOf() } });
  await world.pass(key);
  assert.match(world.condition(key, "HostsAvailable"), /^False NoHosts: .* add a host/);
  assert.equal(world.microvmCluster(key).status?.initialization?.provisioned, undefined);
  await world.client.mergePatch(microvmClusters, key, { spec: poolOf(hostA) });
  await world.pass(key);
  assert.equal(world.microvmCluster(key).status?.initialization?.provisioned, true);
});

test("a secret that is missing or cannot be used is said for its host, and looked for again", async () => {
  const world = new Reconciled(hostA, hostB);
  const key = world.addCluster("demo", { spec: { controlPlaneEndpoint: endpoint } });
  const words = 'the secret "tokens" is not there: create it';
  world.faults.set(hostB, new PlatformError("HOST_ACCESS_INVALID", words, { details: { problem: "missing" } }));
  const result = await world.pass(key);
  assert.equal(
    world.condition(key, "HostsAvailable"),
    `False AccessSecretMissing: ${hostB} was not asked: the secret "tokens" is not there: create it`,
  );
  assert.equal(result?.requeueAfterMs, 15_000);
  assert.equal(world.microvmCluster(key).status?.initialization?.provisioned, true);
  world.faults.clear();
  await world.pass(key);
  assert.equal(world.condition(key, "HostsAvailable"), "True Available");
});

test("numbers of hosts are told at most every 30 s, states at once", async () => {
  const world = new Reconciled(hostA);
  const key = world.addCluster("demo", { spec: { controlPlaneEndpoint: endpoint, ...poolOf(hostA) } });
  await world.pass(key);
  world.api.forgetCalls();
  const told = (): unknown => world.microvmCluster(key).status?.hosts?.map(({ state, microVms }) => [state, microVms]);
  world.addMachine("demo", "one", hostA);
  const result = await world.pass(key);
  assert.equal(result?.requeueAfterMs, 30_000);
  assert.deepEqual([told(), world.api.writes()], [[["Reachable", 0]], {}]);
  await world.clock.advance(30_000);
  await world.pass(key);
  assert.deepEqual(told(), [["Reachable", 1]]);
  world.hosts.at(hostA).unreachable();
  await world.pass(key);
  assert.deepEqual(told(), [["Unreachable", 1]]);
});

test("a restart is no news of the hosts: what was said of them stays until they are heard of", async () => {
  const world = new Reconciled(hostA, hostB);
  const key = world.addCluster("demo", { spec: { controlPlaneEndpoint: endpoint } });
  world.hosts.at(hostB).unreachable("no route to host");
  await world.pass(key);
  await world.clock.advance(60_000);
  await world.pass(key);
  const before = world.microvmCluster(key);
  world.api.forgetCalls();
  for (const host of [hostA, hostB]) {
    world.hosts.at(host).health = () => ({ state: "unknown", sinceMs: world.clock.nowMs(), message: "" });
    world.hosts.at(host).facts = () => undefined;
  }
  await world.pass(key);
  assert.deepEqual(world.api.writes(), {});
  assert.deepEqual(world.microvmCluster(key), before);
  const fresh = world.addCluster("fresh", { spec: { controlPlaneEndpoint: { ...endpoint, host: "10.0.0.9" } } });
  await world.pass(fresh);
  assert.match(world.condition(fresh, "HostsAvailable"), /^Unknown Probing: .*has not answered yet/);
});

test("machines on a host that was taken out of the pool are named", async () => {
  const world = new Reconciled(hostA, hostB);
  const key = world.addCluster("demo", { spec: { controlPlaneEndpoint: endpoint, ...poolOf(hostA) } });
  world.addMachine("demo", "demo-b", hostB);
  world.addMachine("demo", "demo-a", hostB);
  world.addMachine("other", "other-a", hostB);
  await world.pass(key);
  assert.equal(
    world.condition(key, "HostsAvailable"),
    `True Available: 2 machines are on ${hostB}, which is no longer in the pool (demo-a, demo-b): put it back, or delete them`,
  );
  assert.deepEqual(
    world.microvmCluster(key).status?.failureDomains?.map(({ name }) => name),
    [hostA],
  );
});

test("a failure domain that upstream's provider wrote goes with its host", async () => {
  const world = new Reconciled(hostA, hostB);
  const key = world.addCluster("demo", { spec: { controlPlaneEndpoint: endpoint } });
  const domains = [hostA, hostB].map((name) => ({ name, controlPlane: true }));
  const theirs = { fieldManager: "manager", subresource: "status" };
  await world.client.mergePatch(microvmClusters, key, { status: { failureDomains: domains } }, theirs);
  await world.pass(key);
  assert.deepEqual(world.microvmCluster(key).status?.failureDomains, domains);
  await world.client.mergePatch(microvmClusters, key, { spec: poolOf(hostA) }, { fieldManager: "user" });
  await world.pass(key);
  assert.deepEqual(world.microvmCluster(key).status?.failureDomains, domains.slice(0, 1));
  const writes = world.api.writes();
  await world.pass(key);
  assert.deepEqual(world.api.writes(), writes, "and nothing is written any more");
});

test("the API server is asked only once the control plane is initialised, and what it says is said", async () => {
  const world = new Reconciled(hostA);
  const key = world.addCluster("demo", { spec: { controlPlaneEndpoint: endpoint, ...poolOf(hostA) } });
  await world.pass(key);
  assert.equal(world.probed, 0);
  await world.client.mergePatch(
    clusters,
    key,
    { status: { initialization: { controlPlaneInitialized: true } } },
    { subresource: "status" },
  );
  world.answer = { answer: "silent", message: "connection refused" };
  await world.pass(key);
  assert.match(world.condition(key, "ControlPlaneReachable"), /^Unknown WaitingForControlPlane: .* is being asked/);
  await world.pass(key);
  assert.equal(
    world.condition(key, "ControlPlaneReachable"),
    "False Unreachable: 10.0.0.240:6443 does not answer: connection refused",
  );
  assert.match(world.condition(key, "Ready"), /^False NotReady: ControlPlaneReachable/);
  world.answer = { answer: "nodes", message: "" };
  await world.clock.advance(5_000);
  await world.pass(key);
  assert.equal(world.condition(key, "ControlPlaneReachable"), "True Reachable");
  const next = new ControlPlaneProbes({ ...world, probe: () => new Promise(() => {}) });
  const written = world.microvmCluster(key).metadata?.resourceVersion;
  await new ClusterReconciler(world, next).reconcile(key, { signal: new AbortController().signal, failures: 0 });
  assert.equal(world.microvmCluster(key).metadata?.resourceVersion, written, "a restart is no news of it");
  next[Symbol.dispose]();
  world.probes[Symbol.dispose]();
  assert.equal(world.clock.pendingTimers, 0);
});

test("deletion waits for the machines, not for hosts, and then lets go", async () => {
  const world = new Reconciled(hostA);
  const key = world.addCluster("demo", { spec: { controlPlaneEndpoint: endpoint } });
  await world.pass(key);
  const machine = world.addMachine("demo", "demo-a", hostA);
  world.hosts.at(hostA).unreachable();
  await world.client.delete(microvmClusters, key);
  await world.pass(key);
  assert.equal(world.condition(key, "Deleting"), "True WaitingForMachines: 1 MicrovmMachine is still there: demo-a");
  assert.match(world.condition(key, "Ready"), /^False Deleting/);
  await world.client.delete(microvmMachines, machine);
  await world.pass(key);
  assert.equal(world.api.read(microvmClusters, key), undefined);
  await world.pass(key);
});

test("deletion goes on without the Cluster, and without an owner", async () => {
  const world = new Reconciled(hostA);
  const key = world.addCluster("demo", { spec: { controlPlaneEndpoint: endpoint } });
  await world.pass(key);
  await world.client.delete(clusters, key);
  await world.client.delete(microvmClusters, key);
  await world.pass(key);
  assert.equal(world.api.read(microvmClusters, key), undefined);
  const orphan = world.addCluster("orphan", { metadata: { ownerReferences: [] } });
  await world.client.delete(microvmClusters, orphan);
  await world.pass(orphan);
  assert.equal(world.api.read(microvmClusters, orphan), undefined);
});

test("a write that meets another one fails and is done again; an object that vanished is no error", async () => {
  const world = new Reconciled(hostA);
  const key = world.addCluster("demo", { spec: { controlPlaneEndpoint: endpoint, ...poolOf(hostA) } });
  world.api.fail({ verb: "apply", subresource: "status" }, { status: 500 });
  await assert.rejects(world.pass(key), { name: "PlatformError" });
  await world.pass(key);
  assert.equal(world.microvmCluster(key).status?.initialization?.provisioned, true);
  world.api.fail({ verb: "apply", subresource: "status" }, { status: 404 });
  world.hosts.at(hostA).unreachable();
  await world.pass(key);
});
