/**
 * MicrovmClusters under the real API server, with capmvm's own webhooks and the real CRDs of Cluster API: addresses that two processes at once give to many
 * clusters, addresses from an IPAM provider (played by this test), hosts that go and come, deletion. No write is needless: they are counted.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { PlatformError, systemClock, systemEntropy } from "@liquidmetal/foundation";
import {
  connectCluster,
  findCondition,
  type KubernetesClient,
  type KubernetesObject,
  keepOwnManagedFields,
  loadKubeconfig,
  openCache,
  type Resource,
  type RunnableCache,
  RuntimeMetrics,
  silentLogger,
  startController,
} from "@liquidmetal/kubernetes";
import { clusterApiManifests, type ManagementPlane, type Manifest } from "@liquidmetal/management-plane";
import {
  type Cluster,
  clusters,
  fieldManager,
  type IpAddressClaim,
  ipAddressClaims,
  ipAddresses,
  type MicrovmCluster,
  type MicrovmClusterSpec,
  type MicrovmMachine,
  microvmClusters,
  microvmMachines,
} from "../../packages/capmvm/src/api/index.ts";
import { clusterController, microvmClusterIndexes } from "../../packages/capmvm/src/cluster/index.ts";
import { FakeHosts } from "../../packages/capmvm/src/hosts/fake-hosts.ts";
import { machineIndexes } from "../../packages/capmvm/src/machine/wake-ups.ts";
import { type CapmvmApi, serveCapmvmApi } from "../assets/capmvm-api.ts";
import { type ApiServer, startApiServer } from "../assets/management-plane.ts";

const namespace = "default";
const hosts = ["10.0.0.1:9090", "10.0.0.2:9090"];

/** One process of capmvm, as far as MicrovmClusters are concerned. */
class Instance implements AsyncDisposable {
  readonly hosts: FakeHosts = new FakeHosts(systemClock);
  readonly caches: {
    readonly microvmClusters: RunnableCache<MicrovmCluster>;
    readonly clusters: RunnableCache<Cluster>;
    readonly microvmMachines: RunnableCache<MicrovmMachine>;
    readonly ipAddressClaims: RunnableCache<IpAddressClaim>;
  };
  readonly #client: KubernetesClient;
  readonly #stack: AsyncDisposableStack = new AsyncDisposableStack();
  readonly #stop: AbortController = new AbortController();

  constructor(client: KubernetesClient) {
    this.#client = client;
    for (const host of hosts) this.hosts.add(host);
    const open = <T extends KubernetesObject>(kind: Resource<T>, indexes = {}): RunnableCache<T> =>
      openCache(client, kind, { indexes, transform: keepOwnManagedFields(fieldManager) });
    this.caches = {
      microvmClusters: open(microvmClusters, microvmClusterIndexes),
      clusters: open(clusters),
      microvmMachines: open(microvmMachines, machineIndexes),
      ipAddressClaims: open(ipAddressClaims),
    };
  }

  async start(): Promise<void> {
    const all = Object.values(this.caches) as readonly RunnableCache<KubernetesObject>[];
    const running = all.map((cache) => cache.start(this.#stop.signal));
    this.#stack.defer(async () => {
      this.#stop.abort(new PlatformError("CANCELLED", "the test ends"));
      await Promise.all(running);
    });
    await Promise.all(all.map((cache) => cache.synced(AbortSignal.timeout(60_000))));
    const controller = clusterController({
      client: this.#client,
      caches: this.caches,
      hosts: this.hosts,
      accessOf: async (_, endpoint) => ({ endpoint }),
      probe: async () => ({ answer: "nodes", message: "" }),
      events: { normal: () => {}, warning: () => {} },
      clock: systemClock,
      entropy: systemEntropy,
    });
    this.#stack.use(controller);
    const ports = { clock: systemClock, entropy: systemEntropy, logger: silentLogger, metrics: new RuntimeMetrics() };
    this.#stack.use(startController(controller, ports));
  }

  /** The cluster as soon as it is as wanted; fails after a minute, saying how it is. */
  async until(name: string, wanted: (cluster: MicrovmCluster) => boolean): Promise<MicrovmCluster> {
    const { promise, resolve, reject } = Promise.withResolvers<MicrovmCluster>();
    const deadline = setTimeout(() => {
      const seen = this.caches.microvmClusters.get({ namespace, name });
      reject(new Error(`${name} did not become as wanted: ${JSON.stringify(seen?.status, null, 1)}`));
    }, 60_000);
    const listening = this.caches.microvmClusters.onChange(({ object }) => {
      if (object.metadata?.name === name && wanted(object)) resolve(object);
    });
    try {
      return await promise;
    } finally {
      clearTimeout(deadline);
      listening[Symbol.dispose]();
    }
  }

  /** All clusters as soon as they are as wanted together; fails after a minute. */
  async untilAll(wanted: (all: readonly MicrovmCluster[]) => boolean): Promise<readonly MicrovmCluster[]> {
    const { promise, resolve, reject } = Promise.withResolvers<readonly MicrovmCluster[]>();
    const look = (): void => {
      const all = this.caches.microvmClusters.list(namespace);
      if (wanted(all)) resolve(all);
    };
    const deadline = setTimeout(() => {
      const seen = this.caches.microvmClusters.list(namespace).map(({ metadata, status }) => [metadata?.name, status]);
      reject(new Error(`the clusters did not become as wanted: ${JSON.stringify(seen, null, 1)}`));
    }, 60_000);
    const listening = this.caches.microvmClusters.onChange(look);
    try {
      return await promise;
    } finally {
      clearTimeout(deadline);
      listening[Symbol.dispose]();
    }
  }

  async gone(name: string): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const deadline = setTimeout(() => reject(new Error(`${name} is still there`)), 60_000);
    const listening = this.caches.microvmClusters.onChange(({ type, object }) => {
      if (type === "deleted" && object.metadata?.name === name) resolve();
    });
    if (this.caches.microvmClusters.get({ namespace, name }) === undefined) resolve();
    await promise.finally(() => {
      clearTimeout(deadline);
      listening[Symbol.dispose]();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
    await this.hosts[Symbol.asyncDispose]();
  }
}

const condition = (cluster: MicrovmCluster, type: string): string =>
  findCondition(cluster.status?.conditions, type)?.reason ?? "";
const provisioned = ({ status }: MicrovmCluster): boolean => status?.initialization?.provisioned === true;
const address = ({ spec }: MicrovmCluster): string => spec.controlPlaneEndpoint?.host ?? "";

describe("MicrovmClusters under the real API server", { timeout: 400_000 }, () => {
  let server: ApiServer;
  let api: CapmvmApi;
  let client: KubernetesClient;

  before(async () => {
    server = await startApiServer();
    api = await serveCapmvmApi(server);
    await applyClusterApiDefinitions(server.plane);
    const configuration = await loadKubeconfig({ path: server.kubeconfigFile });
    client = connectCluster({ configuration, userAgent: "test/1", fieldManager });
  });
  after(async () => {
    await client?.close();
    await api?.[Symbol.asyncDispose]();
    await server?.[Symbol.asyncDispose]();
  });

  async function create(name: string, spec: Partial<MicrovmClusterSpec>): Promise<void> {
    const infrastructureRef = { apiGroup: "infrastructure.cluster.x-k8s.io", kind: "MicrovmCluster", name };
    const cluster = await client.create(clusters, { metadata: { namespace, name }, spec: { infrastructureRef } });
    const owner = { apiVersion: "cluster.x-k8s.io/v1beta2", kind: "Cluster", name, uid: cluster.metadata?.uid ?? "" };
    const pool = { hosts: hosts.map((endpoint) => ({ endpoint, controlPlaneAllowed: true })) };
    await client.create(microvmClusters, {
      metadata: { namespace, name, ownerReferences: [owner] },
      spec: { placement: { staticPool: pool }, ...spec },
    });
  }
  async function remove(name: string): Promise<void> {
    await client.delete(microvmClusters, { namespace, name });
    await client.delete(clusters, { namespace, name });
  }

  test("two processes at once give eight clusters six addresses: none twice, two wait, and get what becomes free", async () => {
    await using one = new Instance(client);
    await using two = new Instance(client);
    await Promise.all([one.start(), two.start()]);
    const names = Array.from({ length: 8 }, (_, index) => `race-${index}`);
    const controlPlaneAddressPool = { addresses: ["10.9.0.1-10.9.0.4", "fd00::1-fd00::2"], port: 6_443 };
    await Promise.all(names.map((name) => create(name, { controlPlaneAddressPool })));
    // While two still wish for the same address, a third may be told for a moment that there is none.
    const settled = await one.untilAll((all) => {
      const exhausted = all.filter((each) => condition(each, "EndpointAvailable") === "AddressPoolExhausted");
      return all.filter(provisioned).length === 6 && exhausted.length === 2;
    });
    const given = settled.map(address).filter((host) => host !== "");
    assert.deepEqual(given.toSorted(), ["10.9.0.1", "10.9.0.2", "10.9.0.3", "10.9.0.4", "fd00::1", "fd00::2"]);
    const holder = settled.find((each) => address(each) === "10.9.0.3")?.metadata?.name ?? "";
    await remove(holder);
    await one.gone(holder);
    const waiting = settled.filter((each) => address(each) === "").map(({ metadata }) => metadata?.name ?? "");
    const next = await Promise.race(waiting.map((name) => one.until(name, provisioned)));
    assert.equal(address(next), "10.9.0.3");
    for (const name of names) if (name !== holder) await remove(name);
    for (const name of names) await one.gone(name);
  });

  test("an endpoint is taken from an IPAM provider and given back; without one the cluster waits", async () => {
    await using instance = new Instance(client);
    await instance.start();
    const poolRef = { apiGroup: "ipam.test.dev", kind: "TestPool", name: "vips" };
    await create("claimed", { controlPlaneAddressPool: { poolRef, port: 8_443 } });
    await instance.until("claimed", (each) => condition(each, "EndpointAvailable") === "WaitingForAddress");
    const key = { namespace, name: "claimed-control-plane" };
    const claim = await client.get(ipAddressClaims, key);
    assert.equal(claim.spec.clusterName, "claimed");
    // What a provider does.
    const finalizers = ["ipam.test.dev/address"];
    await client.mergePatch(ipAddressClaims, key, { metadata: { finalizers } });
    await client.create(ipAddresses, {
      metadata: { namespace, name: "vip-1" },
      spec: { claimRef: { name: key.name }, poolRef, address: "10.9.1.1", prefix: 24, gateway: "10.9.1.254" },
    });
    const status = { addressRef: { name: "vip-1" } };
    await client.mergePatch(ipAddressClaims, key, { status }, { subresource: "status" });
    const { spec } = await instance.until("claimed", provisioned);
    assert.deepEqual(spec.controlPlaneEndpoint, { host: "10.9.1.1", port: 8_443 });
    await remove("claimed");
    await instance.until("claimed", (each) => condition(each, "Deleting") === "WaitingForAddressRelease");
    assert.notEqual((await client.get(ipAddressClaims, key)).metadata?.deletionTimestamp, undefined);
    await client.mergePatch(ipAddressClaims, key, { metadata: { finalizers: null } });
    await instance.gone("claimed");
  });

  test("hosts that go and come are seen at once, and a cluster at rest is written to no more", async () => {
    await using instance = new Instance(client);
    await instance.start();
    await create("hosts", { controlPlaneEndpoint: { host: "10.9.2.1", port: 6_443 } });
    await instance.until("hosts", (each) => provisioned(each) && condition(each, "HostsAvailable") === "Available");
    instance.hosts.at("10.0.0.2:9090").unreachable("no route to host");
    const down = await instance.until("hosts", (each) => condition(each, "HostsAvailable") === "SomeUnavailable");
    assert.equal(down.status?.hosts?.[1]?.message, "no route to host");
    assert.equal(down.status?.failureDomains?.length, 2);
    instance.hosts.at("10.0.0.2:9090").reachable();
    const up = await instance.until("hosts", (each) => condition(each, "HostsAvailable") === "Available");
    const before = up.metadata?.resourceVersion;
    // Another process starts over with all it knows.
    await using second = new Instance(client);
    await second.start();
    await create("later", { controlPlaneEndpoint: { host: "10.9.2.2", port: 6_443 } });
    await second.until("later", provisioned);
    assert.equal((await client.get(microvmClusters, { namespace, name: "hosts" })).metadata?.resourceVersion, before);
    for (const name of ["hosts", "later"]) await remove(name);
    for (const name of ["hosts", "later"]) await instance.gone(name);
  });

  test("a cluster waits for its machines, whatever their finalizers wait for", async () => {
    await using instance = new Instance(client);
    await instance.start();
    await create("machines", { controlPlaneEndpoint: { host: "10.9.3.1", port: 6_443 } });
    await instance.until("machines", provisioned);
    const machine = { namespace, name: "machines-a" };
    await client.create(microvmMachines, {
      metadata: { ...machine, labels: { "cluster.x-k8s.io/cluster-name": "machines" } },
      spec: {
        vcpu: 1,
        memoryMiB: 1_024,
        rootVolume: { id: "root", image: "registry.example/os:1", readOnly: false },
        kernel: { image: "registry.example/kernel:1", filename: "boot/vmlinux" },
        networkInterfaces: [{ guestDeviceName: "eth1", type: "tap" }],
      },
    });
    await remove("machines");
    const waiting = await instance.until("machines", (each) => condition(each, "Deleting") === "WaitingForMachines");
    assert.match(findCondition(waiting.status?.conditions, "Deleting")?.message ?? "", /machines-a/);
    await client.delete(microvmMachines, machine);
    await instance.gone("machines");
  });
});

/** The CRDs alone: no manager runs here, and everything is read in the version that is stored. */
async function applyClusterApiDefinitions(plane: ManagementPlane): Promise<void> {
  const { kustomize } = plane.programs;
  const { providers } = await clusterApiManifests({ kustomize, report: () => {} });
  const wanted = [clusters, ipAddressClaims, ipAddresses].map(({ plural, group }) => `${plural}.${group}`);
  const definitions = providers["cluster-api"]
    .filter(({ kind, metadata }) => kind === "CustomResourceDefinition" && wanted.includes(metadata.name))
    .map((definition) => {
      const { conversion: _, ...spec } = (definition as Manifest & { readonly spec: Record<string, unknown> }).spec;
      return { ...definition, spec };
    });
  await plane.kubectl.apply(definitions);
}
