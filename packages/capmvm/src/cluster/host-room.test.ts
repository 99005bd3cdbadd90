/** To which hosts control planes are sent when hosts fill up. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type MicrovmMachine, microvmMachines } from "../api/index.ts";
import type { HostFacts } from "../hosts/host.ts";
import { ClusterWorld, hostA, hostB, machineSpec } from "../testing/cluster-world.ts";
import { ClusterReconciler } from "./cluster-reconciler.ts";
import { ControlPlaneProbes } from "./control-plane-probes.ts";

const gibibyte = 1_073_741_824;

class Hosts extends ClusterWorld {
  readonly #reconciler: ClusterReconciler = new ClusterReconciler(this, new ControlPlaneProbes(this));
  readonly key: ReturnType<ClusterWorld["addCluster"]> = this.addCluster("demo", {
    spec: { controlPlaneEndpoint: { host: "10.0.0.240", port: 6_443 } },
  });

  constructor() {
    super();
    this.free(hostA, 8);
    this.free(hostB, 8);
  }

  /** So many vCPUs, with 2 GiB each, are free there. */
  free(endpoint: string, vcpu: number): void {
    const all = { vcpu: 8, memoryBytes: 16 * gibibyte, diskBytes: 0 };
    const allocated = { vcpu: 8 - vcpu, memoryBytes: (8 - vcpu) * 2 * gibibyte, diskBytes: 0 };
    const facts: Partial<HostFacts> = { capacity: all, allocatable: all, allocated };
    this.hosts.add(endpoint, { facts });
  }

  controlPlane(name: string, endpoint: string, vcpu: number): void {
    const labels = { "cluster.x-k8s.io/cluster-name": "demo", "cluster.x-k8s.io/control-plane": "" };
    this.api.put<MicrovmMachine>(microvmMachines, {
      metadata: {
        namespace: "ns",
        name,
        labels,
        finalizers: ["test/hold"],
        annotations: { "capmvm.liquidmetal.dev/host": endpoint },
      },
      spec: { ...machineSpec, vcpu, memoryMiB: vcpu * 2_048 },
    });
  }

  /** Whether control planes are offered A and B, after `ms`. */
  async offered(ms = 0): Promise<readonly (boolean | undefined)[]> {
    await this.clock.advance(ms);
    await this.#reconciler.reconcile(this.key, { signal: new AbortController().signal, failures: 0 });
    return this.microvmCluster(this.key).status?.failureDomains?.map(({ controlPlane }) => controlPlane) ?? [];
  }
}

test("a host that fills up is offered no more after half a minute, and again as soon as it has room", async () => {
  const world = new Hosts();
  assert.deepEqual(await world.offered(), [true, true]);
  world.free(hostA, 1);
  assert.deepEqual(await world.offered(), [true, true]);
  assert.deepEqual(await world.offered(29_999), [true, true]);
  assert.deepEqual(await world.offered(1), [false, true]);
  world.free(hostA, 2);
  assert.deepEqual(await world.offered(), [true, true]);
  for (let turn = 0; turn < 5; turn++) {
    world.free(hostA, turn % 2);
    assert.deepEqual(await world.offered(5_000), [true, true], "machines that come and go turn nothing");
    world.free(hostA, 4);
    assert.deepEqual(await world.offered(5_000), [true, true]);
  }
});

test("when all are full none is worse than another; a full host that is new, or not offered before, is not offered first", async () => {
  const world = new Hosts();
  world.free(hostA, 0);
  assert.deepEqual(await world.offered(), [false, true], "new to the cluster");
  world.free(hostB, 0);
  assert.deepEqual(await world.offered(), [false, true]);
  assert.deepEqual(await world.offered(30_000), [true, true]);
  world.free(hostB, 8);
  assert.deepEqual(await world.offered(), [false, true]);
  world.hosts.at(hostB).unreachable();
  await world.offered();
  assert.deepEqual(await world.offered(60_000), [true, false], "a full host is better than none");
});

test("what a control plane asks for is what the newest one does; one that is deleted gives its room back at once", async () => {
  const world = new Hosts();
  world.controlPlane("cp-1", hostA, 4);
  world.free(hostA, 3);
  assert.deepEqual(await world.offered(), [false, true]);
  const { metadata } = world.microvmCluster(world.key);
  assert.deepEqual(await world.offered(60_000), [false, true]);
  assert.equal(world.microvmCluster(world.key).metadata?.resourceVersion, metadata?.resourceVersion);
  await world.client.delete(microvmMachines, { namespace: "ns", name: "cp-1" });
  assert.deepEqual(await world.offered(), [true, true]);
});

test("a restart does not offer a full host again before it is heard of", async () => {
  const world = new Hosts();
  await world.offered();
  world.free(hostA, 0);
  await world.offered();
  assert.deepEqual(await world.offered(30_000), [false, true]);
  for (const endpoint of [hostA, hostB]) {
    world.hosts.at(endpoint).health = () => ({ state: "unknown", sinceMs: 0, message: "" });
    world.hosts.at(endpoint).facts = () => undefined;
  }
  const fresh = new ClusterReconciler(world, new ControlPlaneProbes(world));
  await fresh.reconcile(world.key, { signal: new AbortController().signal, failures: 0 });
  assert.equal(world.microvmCluster(world.key).status?.failureDomains?.[0]?.controlPlane, false);
});
