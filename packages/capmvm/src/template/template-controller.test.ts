import assert from "node:assert/strict";
import { test } from "node:test";
import { clusters, type MicrovmMachineTemplate, microvmClusters, microvmMachineTemplates } from "../api/index.ts";
import { ClusterWorld, hostA, hostB, machineSpec } from "../testing/cluster-world.ts";
import { LiveCache } from "../testing/live-cache.ts";
import { machineTemplateController } from "./template-controller.ts";

const key = { namespace: "ns", name: "nodes" };

function templateWorld(spec: Partial<typeof machineSpec> = {}) {
  const world = new ClusterWorld();
  const cluster = world.addCluster("demo");
  const uid = world.api.read(clusters, cluster)?.metadata?.uid ?? "";
  const owner = { apiVersion: "cluster.x-k8s.io/v1beta2", kind: "Cluster", name: "demo", uid };
  world.api.put(microvmMachineTemplates, {
    metadata: { ...key, ownerReferences: [owner] },
    spec: { template: { spec: { ...machineSpec, ...spec } } },
  });
  const cache = new LiveCache(world.api, microvmMachineTemplates);
  const controller = machineTemplateController({
    client: world.client,
    caches: { ...world.caches, microvmMachineTemplates: cache },
  });
  const woken: string[] = [];
  for (const trigger of controller.triggers ?? []) trigger.start(({ name }) => void woken.push(name));
  return {
    world,
    cluster,
    woken,
    pass: async (): Promise<MicrovmMachineTemplate["status"]> => {
      await controller.reconcile(key, { signal: new AbortController().signal, failures: 0 });
      return world.api.read(microvmMachineTemplates, key)?.status;
    },
    platforms: async (a: string | undefined, b: string | undefined): Promise<void> => {
      const host = (endpoint: string, platform: string | undefined): object => ({
        endpoint,
        state: "Reachable",
        ...(platform === undefined ? {} : { platform }),
      });
      const status = { hosts: [host(hostA, a), host(hostB, b)] };
      await world.client.mergePatch(microvmClusters, cluster, { status }, { subresource: "status" });
    },
  };
}

test("a template says what its Nodes will have, once", async () => {
  const { pass, world } = templateWorld({ rootVolume: { id: "root", readOnly: false, sizeMiB: 10_240 } });
  assert.deepEqual(await pass(), {
    capacity: { cpu: "2", memory: "2048Mi", "ephemeral-storage": "10240Mi" },
    nodeInfo: { operatingSystem: "linux" },
  });
  await pass();
  assert.equal(world.api.writes()["MicrovmMachineTemplate/status apply"], 1);
});

test("the architecture is told when the known hosts agree, and kept when they are not known any more", async () => {
  const { pass, platforms } = templateWorld();
  await platforms("linux/amd64", "linux/arm64");
  assert.deepEqual((await pass())?.nodeInfo, { operatingSystem: "linux" });
  await platforms("linux/arm64/v8", undefined);
  assert.deepEqual((await pass())?.nodeInfo, { architecture: "arm64", operatingSystem: "linux" });
  await platforms("linux/amd64", "linux/arm64");
  assert.deepEqual((await pass())?.nodeInfo, { operatingSystem: "linux" });
  await platforms("linux/arm64", "linux/arm64");
  await pass();
  await platforms(undefined, undefined);
  assert.deepEqual((await pass())?.nodeInfo, { architecture: "arm64", operatingSystem: "linux" });
});

test("only hosts that the selector may choose count", async () => {
  const { pass, platforms, world, cluster } = templateWorld({ hostSelector: { matchLabels: { arch: "arm" } } });
  const hosts = [
    { endpoint: hostA, controlPlaneAllowed: true, labels: { arch: "x86" } },
    { endpoint: hostB, controlPlaneAllowed: true, labels: { arch: "arm" } },
  ];
  await world.client.mergePatch(microvmClusters, cluster, { spec: { placement: { staticPool: { hosts } } } });
  await platforms("linux/amd64", "linux/arm64");
  assert.equal((await pass())?.nodeInfo?.architecture, "arm64");
});

test("a template without a cluster, or of a paused one, is left with what is known", async () => {
  const { pass, world, cluster } = templateWorld();
  await world.client.mergePatch(clusters, cluster, { spec: { paused: true } });
  assert.equal(await pass(), undefined);
  await world.client.delete(clusters, cluster);
  assert.deepEqual((await pass())?.capacity, { cpu: "2", memory: "2048Mi" });
});

test("when a Cluster goes on after a pause, its templates are looked at", () => {
  const { woken, world, cluster } = templateWorld();
  const object = world.api.read(clusters, cluster);
  assert.ok(object !== undefined);
  const previous = { ...object, spec: { ...object.spec, paused: true } };
  woken.length = 0;
  world.caches.clusters.tell({ type: "changed", previous, object: { ...object, status: { phase: "Provisioned" } } });
  assert.ok(woken.includes("nodes"));
  woken.length = 0;
  world.caches.clusters.tell({ type: "changed", previous: object, object });
  assert.deepEqual(woken, [], "nothing that they are made of has changed");
});
