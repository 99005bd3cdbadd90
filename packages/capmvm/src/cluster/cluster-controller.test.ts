/** What wakes the reconciler of a MicrovmCluster, and what does not. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { keyText } from "@liquidmetal/kubernetes";
import { clusters, type MicrovmMachine, microvmMachines, secrets } from "../api/index.ts";
import { ClusterWorld, hostA } from "../testing/cluster-world.ts";
import { AccessSecretLabels } from "./access-secrets.ts";
import { clusterController } from "./cluster-controller.ts";

function woken(world: ClusterWorld): { readonly keys: () => readonly string[] } {
  const found = new Set<string>();
  for (const trigger of clusterController(world).triggers) {
    trigger.start((key, afterMs = 0) => void found.add(`${keyText(key)}${afterMs > 0 ? " later" : ""}`));
  }
  found.clear();
  return {
    keys: () => {
      const keys = [...found].toSorted();
      found.clear();
      return keys;
    },
  };
}

test("its Cluster, by reference and not by name, and only when something changes that is read", () => {
  const world = new ClusterWorld();
  world.addCluster("infra");
  const reference = { apiGroup: "infrastructure.cluster.x-k8s.io", kind: "MicrovmCluster", name: "infra" };
  const previous = { metadata: { namespace: "ns", name: "demo" }, spec: { infrastructureRef: reference } };
  const { keys } = woken(world);
  const tell = (object: typeof previous & object): void =>
    world.caches.clusters.tell({ type: "changed", previous, object });
  tell({ ...previous, spec: { ...previous.spec, paused: true } } as typeof previous);
  assert.deepEqual(keys(), ["ns/infra"]);
  tell({ ...previous, status: { phase: "Provisioned" } } as typeof previous);
  assert.deepEqual(keys(), []);
  tell({ ...previous, status: { initialization: { controlPlaneInitialized: true } } } as typeof previous);
  assert.deepEqual(keys(), ["ns/infra"]);
  const other = { ...previous, spec: { infrastructureRef: { ...reference, kind: "DockerCluster" } } };
  world.caches.clusters.tell({ type: "added", object: other });
  assert.deepEqual(keys(), []);
});

test("its machines: when they get a host, and when they are gone; also after their Cluster", async () => {
  const world = new ClusterWorld();
  world.addCluster("demo");
  const { keys } = woken(world);
  const key = world.addMachine("demo", "demo-a");
  const machine = world.api.read(microvmMachines, key) as MicrovmMachine;
  const placed: MicrovmMachine = {
    ...machine,
    metadata: { ...machine.metadata, annotations: { "capmvm.liquidmetal.dev/host": hostA } },
  };
  world.caches.microvmMachines.tell({ type: "changed", previous: machine, object: placed });
  assert.deepEqual(keys(), ["ns/demo later"]);
  world.caches.microvmMachines.tell({ type: "changed", previous: placed, object: placed });
  assert.deepEqual(keys(), []);
  await world.client.delete(clusters, { namespace: "ns", name: "demo" });
  world.caches.microvmMachines.tell({ type: "deleted", object: placed });
  assert.deepEqual(keys(), ["ns/demo"]);
});

test("its hosts: health at once, numbers later, others' hosts never", () => {
  const world = new ClusterWorld();
  world.addCluster("demo");
  for (const endpoint of [hostA, "10.0.0.99:9090"]) world.hosts.add(endpoint);
  const { keys } = woken(world);
  world.hosts.at(hostA).unreachable();
  assert.deepEqual(keys(), ["ns/demo"]);
  world.hosts.at(hostA).reachable();
  world.hosts.at(hostA).put({ uid: "1", namespace: "ns", name: "vm" });
  assert.deepEqual(keys(), ["ns/demo", "ns/demo later"]);
  world.hosts.at("10.0.0.99:9090").unreachable();
  assert.deepEqual(keys(), []);
});

test("an address that becomes free, if it waits for one", () => {
  const world = new ClusterWorld();
  const gone = world.addCluster("gone");
  world.addCluster("content");
  const waiting = world.addCluster("waiting");
  const condition = {
    type: "EndpointAvailable",
    status: "False",
    reason: "AddressPoolExhausted",
    message: "",
  } as const;
  const object = world.microvmCluster(waiting);
  world.caches.microvmClusters.list = () => [
    { ...object, status: { conditions: [{ ...condition, lastTransitionTime: "2026-01-01T00:00:00Z" }] } },
  ];
  const { keys } = woken(world);
  world.caches.microvmClusters.tell({ type: "deleted", object: world.microvmCluster(gone) });
  assert.deepEqual(keys(), ["ns/waiting"]);
});

test("others' objects are not accepted: managed elsewhere, or without the label of the watch filter", () => {
  const world = new ClusterWorld();
  const { accepts = () => false } = clusterController(Object.assign(world, { watchFilter: "blue" }));
  const labels = { "cluster.x-k8s.io/watch-filter": "blue" };
  const mine = world.microvmCluster(world.addCluster("mine", { metadata: { labels } }));
  const annotations = { "cluster.x-k8s.io/managed-by": "" };
  const managed = world.microvmCluster(world.addCluster("managed", { metadata: { labels, annotations } }));
  const other = world.microvmCluster(world.addCluster("other"));
  assert.deepEqual([mine, managed, other].map(accepts), [true, false, false]);
});

test("secrets that lead to hosts get the label with which clusterctl moves them, once; nobody becomes their owner", async () => {
  const world = new ClusterWorld();
  const hostAccess = { tlsSecretRef: { name: "tls" }, tokenSecretRef: { name: "tokens" } };
  const key = world.addCluster("demo", { spec: { hostAccess } });
  const tls = { namespace: "ns", name: "tls" };
  world.api.put(secrets, { metadata: tls });
  const labels = new AccessSecretLabels(world.client, world.clock);
  const { signal } = new AbortController();
  await labels.ensure(world.microvmCluster(key), signal);
  await labels.ensure(world.microvmCluster(key), signal);
  assert.deepEqual(world.api.read(secrets, tls)?.metadata?.labels, { "clusterctl.cluster.x-k8s.io/move": "" });
  assert.equal(world.api.read(secrets, tls)?.metadata?.ownerReferences, undefined);
  assert.deepEqual(world.api.writes(), { "Secret mergePatch": 1 });
  assert.equal(world.api.count({ verb: "get", name: "tls" }), 1);
  world.api.put(secrets, { metadata: { namespace: "ns", name: "tokens" } });
  world.api.fail({ verb: "mergePatch", name: "tokens" }, { status: 403 });
  await labels.ensure(world.microvmCluster(key), signal);
  await labels.ensure(world.microvmCluster(key), signal);
  assert.equal(world.api.count({ verb: "mergePatch", name: "tokens" }), 1, "who forbids it is not asked again");
});
