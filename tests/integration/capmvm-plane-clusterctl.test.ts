/**
 * What people do with clusterctl, ClusterClasses and pools, under the real Cluster API: a cluster generated from a release of the provider, its class's variables
 * changed, a MachinePool beside it, and the whole moved to another management cluster without a host noticing. Hosts want a token, whose secret has to come along.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe } from "node:test";
import { type Manifest, parseManifests } from "@liquidmetal/management-plane";
import { writeRelease } from "../../tools/release/release.ts";
import { assertBooksBalance, load } from "../assets/management/accounting.ts";
import { kubernetesVersion, machinePool } from "../assets/management/cluster-manifests.ts";
import { ClusterView } from "../assets/management/cluster-view.ts";
import { Clusterctl } from "../assets/management/clusterctl.ts";
import { eventually } from "../assets/management/json-api.ts";
import { PlayedCluster } from "../assets/management/played-cluster.ts";
import { PlayedGuests } from "../assets/management/played-guests.ts";
import { ProofPlane } from "../assets/management/proof-plane.ts";
import { story } from "../assets/management/steps.ts";

const namespace = "default";
const token = "a-token-of-the-hosts";
const root = join(import.meta.dirname, "../..");

describe("a cluster made by clusterctl", () => {
  const step = story();
  let proof: ProofPlane;
  let cluster: PlayedCluster;
  let guests: PlayedGuests;
  let view: ClusterView;
  let clusterctl: Clusterctl;

  const balanced = (plane: ProofPlane): Promise<true> =>
    eventually(
      "the books balance",
      async () => {
        await assertBooksBalance(plane.api, plane.hosts);
        return true as const;
      },
      { timeoutMs: 15_000 },
    );
  const calls = (): readonly number[] =>
    proof.hosts.map(({ calls: script }) => script.count("CreateMicroVM") + script.count("DeleteMicroVM"));

  before(async () => {
    proof = await ProofPlane.start({ hosts: 3, host: (index) => ({ token, facts: { name: `host-${index}` } }) });
    cluster = await PlayedCluster.start(proof.server.plane, { name: "classy", namespace });
    guests = new PlayedGuests({ cluster, hosts: proof.hosts });
    view = new ClusterView(proof.api, cluster, guests);
    clusterctl = await Clusterctl.open(proof.server.plane.programs.clusterctl);
  });
  after(async () => {
    await clusterctl?.[Symbol.asyncDispose]();
    await guests?.[Symbol.asyncDispose]();
    cluster?.[Symbol.dispose]();
    await proof?.[Symbol.asyncDispose]();
  });

  step("comes up from a release folder, its ClusterClass and a secret with tokens", async () => {
    const { kustomize } = proof.server.plane.programs;
    const release = await writeRelease({ root, kustomize, directory: join(clusterctl.directory, "release") });
    const generated = await clusterctl.run(
      [
        ...["generate", "cluster", cluster.name, "--config", release.configFile],
        ...["--kubeconfig", proof.server.kubeconfigFile, "--infrastructure", `microvm:${release.version}`],
        ...["--flavor", "topology", "--target-namespace", namespace, "--kubernetes-version", kubernetesVersion],
        ...["--control-plane-machine-count", "1", "--worker-machine-count", "2"],
      ],
      {
        CONTROL_PLANE_VIP: cluster.endpoint.host,
        CONTROL_PLANE_PORT: String(cluster.endpoint.port),
        CONTROL_PLANE_ENDPOINT_HELD_BY: "external",
        HOST_ENDPOINT: proof.endpoints.join(","),
        MICROVM_HOST_ACCESS: "{tokenSecretRef: {name: host-tokens}}",
        MVM_ROOT_IMAGE: "registry.test/kubernetes:1.36.3",
        MVM_KERNEL_IMAGE: "registry.test/kernel:6.1",
      },
    );
    const manifests = parseManifests(generated).map((manifest) => withExternalEtcd(manifest, cluster));
    assert.ok(
      manifests.some(({ kind }) => kind === "ClusterClass"),
      "clusterctl brought the class along",
    );
    await proof.server.plane.kubectl.apply([...cluster.secrets, hostTokens(), ...manifests]);
    const machines = await view.available({ controlPlanes: 1, workers: 2 });
    assert.equal(machines.length, 3);
    await balanced(proof);
  });

  step("takes a changed variable of its class as a rollout", async () => {
    const before = new Set((await view.workers()).map(({ name }) => name));
    const { spec } = await proof.api.get(view.paths.cluster);
    const variables = spec.topology.variables.map((variable: { name: string; value: object }) =>
      variable.name === "worker" ? { ...variable, value: { ...variable.value, memoryMiB: 3072 } } : variable,
    );
    await proof.api.merge(view.paths.cluster, { spec: { topology: { variables } } });
    await view.until(
      "all workers are new",
      async () => {
        const workers = await view.workers();
        return workers.length === 2 && workers.every(({ name }) => !before.has(name)) ? true : undefined;
      },
      120_000,
    );
    const workers = (await view.available({ controlPlanes: 1, workers: 2 })).filter((each) => !each.controlPlane);
    const memory = new Map(
      proof.hosts.flatMap(({ host }) => host.microVms.map(({ spec: of }) => [of.name, of.memoryMiB] as const)),
    );
    for (const { name } of workers) assert.equal(memory.get(name), 3072);
    await balanced(proof);
  });

  step("has a pool of machines, as large as it is asked to be", async () => {
    await proof.server.plane.kubectl.apply(machinePool(cluster, "pool", 3));
    const pool = `${view.paths.machines.replace(/machines$/, "machinepools")}/pool`;
    const ready = (count: number): Promise<unknown> =>
      view.until(
        `the pool has ${count}`,
        async () => {
          const { status, spec } = await proof.api.get(pool);
          const there = status?.nodeRefs?.length === count && spec.providerIDList?.length === count;
          return there && status?.phase === "Running" ? true : undefined;
        },
        120_000,
      );
    await ready(3);
    await proof.api.merge(pool, { spec: { replicas: 1 } });
    await ready(1);
    assert.equal(
      load(proof.hosts).reduce((sum, count) => sum + count, 0),
      4,
    );
    await proof.api.delete(pool);
    await view.until("the pool is gone", async () => ((await proof.api.find(pool)) === undefined ? true : undefined));
    assert.equal(
      load(proof.hosts).reduce((sum, count) => sum + count, 0),
      3,
    );
    await balanced(proof);
  });

  step("is described", async () => {
    const said = await clusterctl.run([
      "describe",
      "cluster",
      cluster.name,
      "-n",
      namespace,
      "--kubeconfig",
      proof.server.kubeconfigFile,
    ]);
    assert.match(said, /Cluster\/classy\s+.*True\s+Available/);
    assert.match(said, /MicrovmCluster\/classy-/);
  });

  step("moves to another management cluster, and its hosts notice nothing", async () => {
    await using target = await ProofPlane.start({ hosts: proof.hosts });
    const there = new ClusterView(target.api, cluster, guests);
    const before = (await view.machines()).map(({ name, providerId }) => [name, providerId]);
    const asked = calls();
    await clusterctl.run([
      ...["move", "-n", namespace, "--kubeconfig", proof.server.kubeconfigFile],
      ...["--to-kubeconfig", target.server.kubeconfigFile],
    ]);
    await there.available({ controlPlanes: 1, workers: 2 });
    assert.deepEqual(
      (await there.machines()).map(({ name, providerId }) => [name, providerId]),
      before,
    );
    assert.deepEqual(calls(), asked, "no host was asked to make or delete anything");
    assert.deepEqual(await proof.api.list(view.paths.microvmMachines), [], "nothing is left behind");
    assert.ok(await target.api.find(`/api/v1/namespaces/${namespace}/secrets/host-tokens`), "the tokens came along");
    await balanced(target);

    const [{ metadata }] = (await target.api.list(
      `${there.paths.workers.replace(/\/[^/]+$/, "")}?labelSelector=cluster.x-k8s.io/cluster-name=${cluster.name}`,
    )) as [{ metadata: { name: string } }];
    assert.ok(metadata.name);
    const { spec } = await target.api.get(there.paths.cluster);
    const [worker] = spec.topology.workers.machineDeployments;
    await target.api.merge(there.paths.cluster, {
      spec: { topology: { workers: { machineDeployments: [{ ...worker, replicas: 3 }] } } },
    });
    await there.available({ controlPlanes: 1, workers: 3 });
    await balanced(target);
    await target.api.delete(there.paths.cluster);
    await there.gone();
    assert.deepEqual(load(proof.hosts), [0, 0, 0]);
  });
});

function hostTokens(): Manifest {
  return {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: "host-tokens", namespace, labels: { "clusterctl.cluster.x-k8s.io/move": "" } },
    type: "Opaque",
    data: { "127.0.0.1": Buffer.from(token).toString("base64") },
  };
}

/** The one thing that cannot be played: members of a stacked etcd. */
function withExternalEtcd(manifest: Manifest, { externalEtcd }: PlayedCluster): Manifest {
  if (manifest.kind !== "KubeadmControlPlaneTemplate") return manifest;
  const copy = structuredClone(manifest) as Manifest & {
    spec: { template: { spec: { kubeadmConfigSpec: { clusterConfiguration: object } } } };
  };
  const { kubeadmConfigSpec } = copy.spec.template.spec;
  kubeadmConfigSpec.clusterConfiguration = { ...kubeadmConfigSpec.clusterConfiguration, etcd: externalEtcd };
  return copy;
}
