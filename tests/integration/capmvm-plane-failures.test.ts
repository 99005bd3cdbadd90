/**
 * What goes wrong around a Cluster on microVMs, under the real Cluster API: microVMs die, hosts vanish, the API server and capmvm are killed, a leader falls. Every
 * time the cluster ends as it was declared, and the books balance: nothing without an owner, nothing twice, nothing lost.
 */
import assert from "node:assert/strict";
import { after, before, describe } from "node:test";
import { setTimeout as passed } from "node:timers/promises";
import type { FakeFlintlockd } from "@liquidmetal/host-agent/fake";
import type { Manifest } from "@liquidmetal/management-plane";
import { assertBooksBalance } from "../assets/management/accounting.ts";
import { clusterManifests } from "../assets/management/cluster-manifests.ts";
import { ClusterView, type Machine } from "../assets/management/cluster-view.ts";
import { eventually } from "../assets/management/json-api.ts";
import { PlayedCluster } from "../assets/management/played-cluster.ts";
import { PlayedGuests } from "../assets/management/played-guests.ts";
import { ProofPlane } from "../assets/management/proof-plane.ts";
import { story } from "../assets/management/steps.ts";

const namespace = "default";
const leaderFlags = [
  "--leader-elect",
  "--leader-elect-lease-duration=4s",
  "--leader-elect-renew-deadline=3s",
  "--leader-elect-retry-period=500ms",
] as const;

describe("a cluster around which things go wrong", () => {
  const step = story();
  let proof: ProofPlane;
  let cluster: PlayedCluster;
  let guests: PlayedGuests;
  let view: ClusterView;

  const balanced = (): Promise<true> =>
    eventually(
      "the books balance",
      async () => {
        await assertBooksBalance(proof.api, proof.hosts);
        return true as const;
      },
      { timeoutMs: 15_000, seen: () => view.story() },
    );
  const scale = (replicas: number): Promise<unknown> => proof.api.merge(view.paths.workers, { spec: { replicas } });
  const microVmCondition = (
    machine: Machine,
    type: string,
  ): Promise<{ status: string; reason: string; message: string }> =>
    view.condition(`${view.paths.microvmMachines}/${machine.name}`, type);
  const hostOf = ({ host }: Machine): FakeFlintlockd => {
    const found = proof.hosts.find(({ endpoint }) => endpoint === host);
    assert.ok(found, `a host ${host}`);
    return found;
  };
  /** A host with workers and without a control plane, and its workers. */
  const workersHost = async (): Promise<{ readonly host: FakeFlintlockd; readonly workers: readonly Machine[] }> => {
    const machines = await view.machines();
    const taken = new Set(machines.filter(({ controlPlane }) => controlPlane).map(({ host }) => host));
    const some = machines.find(({ host }) => !taken.has(host));
    assert.ok(some, "a host that has only workers");
    return { host: hostOf(some), workers: machines.filter(({ host }) => host === some.host) };
  };

  before(async () => {
    proof = await ProofPlane.start({ hosts: 3 });
    cluster = await PlayedCluster.start(proof.server.plane, { name: "storm", namespace });
    guests = new PlayedGuests({ cluster, hosts: proof.hosts });
    view = new ClusterView(proof.api, cluster, guests);
    const manifests = clusterManifests({ cluster, hosts: proof.endpoints, controlPlanes: 1, workers: 4 });
    await proof.server.plane.kubectl.apply([...cluster.secrets, ...manifests]);
    await view.available({ controlPlanes: 1, workers: 4 });
  });
  after(async () => {
    await guests?.[Symbol.asyncDispose]();
    cluster?.[Symbol.dispose]();
    await proof?.[Symbol.asyncDispose]();
  });

  step("has a dead microVM replaced by Cluster API's health check", async () => {
    const [worker] = await view.workers();
    assert.ok(worker);
    const { host } = hostOf(worker);
    const record = host.microVms.find(({ spec }) => spec.name === worker.name);
    assert.ok(record);
    const diedAt = performance.now();
    host.die(record.uid);
    await view.until("its condition says that it does not run", async () => {
      const { status, reason } = await microVmCondition(worker, "VMProvisioned");
      return status === "False" && /NotRunning|Failed/.test(reason) ? true : undefined;
    });
    const seenAfterMs = performance.now() - diedAt;
    assert.ok(seenAfterMs < 3_000, `seen by the watch, not by a resync: after ${seenAfterMs.toFixed(0)} ms`);
    // Only now: the check would have it replaced before anybody could look.
    await proof.server.plane.kubectl.apply([healthCheck(cluster)]);
    await view.until(
      "another one has taken its place",
      async () => {
        const workers = await view.workers();
        return workers.length === 4 && workers.every(({ name }) => name !== worker.name) ? true : undefined;
      },
      90_000,
    );
    await view.available({ controlPlanes: 1, workers: 4 });
    await balanced();
  });

  step("keeps its machines when a host is lost, says so, and says so when it is back", async () => {
    const { host, workers } = await workersHost();
    const before = (await view.machines()).map(({ providerId }) => providerId);
    await host.stop();
    const [worker] = workers;
    assert.ok(worker);
    await view.until("the machine says that its host does not answer", async () =>
      (await microVmCondition(worker, "HostReachable")).status === "False" ? true : undefined,
    );
    await host.start();
    await view.until("the machine says that its host is back", async () =>
      (await microVmCondition(worker, "HostReachable")).status === "True" ? true : undefined,
    );
    assert.deepEqual(
      (await view.machines()).map(({ providerId }) => providerId),
      before,
      "nothing was replaced",
    );
    await balanced();
  });

  step("sees what happened while the watch of a host was cut", async () => {
    const {
      host,
      workers: [worker],
    } = await workersHost();
    assert.ok(worker);
    const record = host.host.microVms.find(({ spec }) => spec.name === worker.name);
    assert.ok(record);
    host.cut();
    host.host.vanish(record.uid);
    host.cut();
    await view.until(
      "a machine whose microVM vanished is replaced",
      async () => {
        const workers = await view.workers();
        return workers.length === 4 && workers.every(({ name }) => name !== worker.name) ? true : undefined;
      },
      90_000,
    );
    await view.available({ controlPlanes: 1, workers: 4 });
    await balanced();
  });

  step("grows through a restart of the API server", async () => {
    await scale(6);
    await proof.server.process("kube-apiserver").restart();
    await view.available({ controlPlanes: 1, workers: 6, timeoutMs: 150_000 });
    await balanced();
  });

  step("has no microVM twice when the answers of hosts are lost", async () => {
    for (const { calls } of proof.hosts) {
      calls.fail("CreateMicroVM", { status: "UNAVAILABLE", message: "connection reset" }, { times: 2, applied: true });
    }
    await scale(9);
    await view.available({ controlPlanes: 1, workers: 9 });
    for (const { calls } of proof.hosts) calls.clear();
    await balanced();
  });

  step("ends as declared however often capmvm is killed", async () => {
    for (const [round, replicas] of [3, 7, 4, 6].entries()) {
      await scale(replicas);
      // Anywhere in the work: the moment is what is tested.
      await passed(200 + round * 450);
      await proof.capmvm.restart();
    }
    await view.available({ controlPlanes: 1, workers: 6, timeoutMs: 150_000 });
    await balanced();
  });

  step("is looked after by the second capmvm when the leader is killed", async () => {
    await proof.capmvm.stop();
    const leader = await proof.startCapmvm("capmvm-leader", leaderFlags);
    await view.until("the first one leads", async () => {
      const lease = await proof.api.find(
        "/apis/coordination.k8s.io/v1/namespaces/capmvm-system/leases/controller-leader-elect-capmvm",
      );
      return lease?.spec.holderIdentity ? true : undefined;
    });
    await proof.startCapmvm("capmvm", leaderFlags);
    await scale(5);
    await view.available({ controlPlanes: 1, workers: 5 });
    await scale(7);
    await leader.kill();
    await view.available({ controlPlanes: 1, workers: 7, timeoutMs: 150_000 });
    await balanced();
  });

  step("is deleted as far as its hosts answer, and wholly when its owner lets go of the rest", async () => {
    const { host, workers } = await workersHost();
    await host.stop();
    await proof.api.delete(view.paths.cluster);
    const names = new Set(workers.map(({ name }) => name));
    await view.until("only the machines of the lost host and the control plane are left", async () => {
      const left = (await proof.api.list(view.paths.microvmMachines)).map(({ metadata }) => metadata.name as string);
      const others = (await view.workers()).filter(({ name }) => !names.has(name));
      return left.length > 0 && others.length === 0 ? true : undefined;
    });
    const stuck = workers[0];
    assert.ok(stuck);
    const deleting = await view.until("it says what it waits for", async () => {
      const condition = await microVmCondition(stuck, "Deleting");
      return condition.status === "True" && condition.message !== "" ? condition : undefined;
    });
    assert.match(deleting.message, new RegExp(stuck.host.replaceAll(".", "\\.")), "it names the host");
    await proof.api.merge(view.paths.infrastructure, {
      metadata: { annotations: { "capmvm.liquidmetal.dev/abandon-unreachable-host": "true" } },
    });
    await view.gone();
    for (const other of proof.hosts.filter((each) => each !== host)) assert.deepEqual(other.host.microVms, []);
  });
});

function healthCheck({ name, namespace: inNamespace }: PlayedCluster): Manifest {
  return {
    apiVersion: "cluster.x-k8s.io/v1beta2",
    kind: "MachineHealthCheck",
    metadata: { name: `${name}-workers`, namespace: inNamespace },
    spec: {
      clusterName: name,
      selector: { matchLabels: { "cluster.x-k8s.io/deployment-name": `${name}-workers` } },
      checks: { unhealthyNodeConditions: [{ type: "Ready", status: "Unknown", timeoutSeconds: 1 }] },
    },
  };
}
