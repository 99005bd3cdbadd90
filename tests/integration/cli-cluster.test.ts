/**
 * `lm cluster` as a user runs it, under the real API server, Cluster API and capmvm; hosts are fake flintlockds, guests are played. Created, watched, scaled,
 * upgraded, deleted: every verb is a process of its own.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe } from "node:test";
import { stringify } from "yaml";
import { clusterManifests } from "../assets/management/cluster-manifests.ts";
import { ClusterView } from "../assets/management/cluster-view.ts";
import { eventually } from "../assets/management/json-api.ts";
import { PlayedCluster } from "../assets/management/played-cluster.ts";
import { PlayedGuests } from "../assets/management/played-guests.ts";
import { ProofPlane } from "../assets/management/proof-plane.ts";
import { story } from "../assets/management/steps.ts";

const namespace = "default";
const lmProgram = join(import.meta.dirname, "../../bin/lm");

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

describe("lm cluster on a management cluster", { timeout: 300_000 }, () => {
  const step = story();
  let proof: ProofPlane;
  let cluster: PlayedCluster;
  let guests: PlayedGuests;
  let view: ClusterView;
  let directory: string;

  function lm(...args: readonly string[]): Promise<Ended> {
    const env = {
      PATH: process.env["PATH"],
      HOME: directory,
      LM_STATE_DIR: directory,
      LM_KUBECONFIG: proof.server.kubeconfigFile,
    };
    return new Promise((resolve) => {
      execFile(lmProgram, ["cluster", ...args], { env, timeout: 150_000 }, (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === "number" ? error.code : -1;
        resolve({ code, stdout, stderr });
      });
    });
  }

  async function well(...args: readonly string[]): Promise<Ended> {
    const ended = await lm(...args);
    assert.equal(ended.code, 0, `lm cluster ${args.join(" ")}:\n${ended.stderr}\n${await view.story()}`);
    return ended;
  }

  before(async () => {
    proof = await ProofPlane.start({ hosts: 2, host: (index) => ({ facts: { name: `host-${index}` } }) });
    directory = proof.server.directory;
    cluster = await PlayedCluster.start(proof.server.plane, { name: "life", namespace });
    guests = new PlayedGuests({ cluster, hosts: proof.hosts });
    view = new ClusterView(proof.api, cluster, guests);
    await proof.server.plane.kubectl.apply(cluster.secrets);
  });
  after(async () => {
    await guests?.[Symbol.asyncDispose]();
    cluster?.[Symbol.dispose]();
    await proof?.[Symbol.asyncDispose]();
  });

  step("declares every shipped flavour to a server that takes it, and takes it back", async () => {
    const flags = [
      "--host",
      "10.0.0.1:9090",
      "--kubernetes-version",
      "v1.36.3",
      "--image",
      "registry.test/n:1",
      "--kernel",
      "registry.test/k:1",
    ];
    const endpoint = ["--endpoint", "10.0.0.25"];
    const pool = ["--set", "CONTROL_PLANE_ADDRESSES=10.0.0.240-10.0.0.250"];
    for (const [flavour, more] of [
      ["keepalived", endpoint],
      ["embedded", pool],
      ["plain", [...endpoint, "--cni"]],
    ] as const) {
      const name = `try-${flavour}`;
      const dry = await well("create", name, "--flavor", flavour, "--dry-run", ...flags, ...more);
      await proof.kubectl(["apply", "--server-side", "--dry-run=server", "--field-manager=lm", "-f", "-"], dry.stdout);
      await well("create", name, "--flavor", flavour, ...flags, ...more);
      const again = await well("create", name, "--flavor", flavour, "-o", "name", ...flags, ...more);
      assert.equal(again.stdout, `${namespace}/${name}\n`);
      const other = await lm("create", name, "--flavor", flavour, "--worker-count", "7", ...flags, ...more);
      assert.equal(other.code, 4, other.stderr);
      await well("delete", name, "--yes", "--timeout", "60s");
      assert.equal((await lm("describe", name)).code, 3);
    }
    const sets = JSON.parse(await proof.kubectl(["get", "clusterresourcesets,configmaps", "-o", "json"]));
    const left = sets.items.filter(({ metadata }: { metadata: { name: string } }) => metadata.name.startsWith("try-"));
    assert.deepEqual(left, [], "the network's manifests went along");
  });

  step("creates a cluster from a template of one's own and follows it until it is available", async () => {
    const file = join(directory, "template.yaml");
    const manifests = clusterManifests({
      cluster,
      hosts: proof.endpoints,
      controlPlanes: 1,
      workers: 1,
      version: "v1.36.2",
    });
    await writeFile(file, manifests.map((manifest) => stringify(manifest, { lineWidth: 0 })).join("---\n"));
    const { stderr, stdout } = await well("create", cluster.name, "--from", file, "--wait", "--timeout", "120s");
    assert.match(stderr, /KubeadmControlPlane life-control-plane: ready/);
    assert.match(stderr, /Cluster life: ready/);
    assert.match(stdout, /life +ready +v1\.36\.2 +1\/1 +1\/1/);
  });

  step("lists, describes, and says which machine is on which host", async () => {
    const [listed] = JSON.parse((await well("list", "-o", "json")).stdout);
    assert.deepEqual([listed.name, listed.state, listed.version], ["life", "ready", "v1.36.2"]);
    const described = JSON.parse((await well("describe", "life", "-o", "json")).stdout);
    assert.equal(described.firstReason, "");
    assert.deepEqual(
      described.tree.children.map(({ role }: { role: string }) => role),
      ["infrastructure", "control plane", "workers"],
    );
    const nodes = JSON.parse((await well("get-nodes", "life", "-o", "json")).stdout);
    assert.deepEqual(
      nodes.map(({ role, status }: { role: string; status: string }) => [role, status]),
      [
        ["control-plane", "ready"],
        ["worker", "ready"],
      ],
    );
    for (const { host, machine } of nodes) assert.ok(proof.endpoints.includes(host) && machine.startsWith("life-"));
  });

  step("gives a kubeconfig that kubectl takes, beside what it had", async () => {
    await well("kubeconfig", "life", "--merge", "--name", "life", "--use");
    const merged = join(directory, ".kube/config");
    assert.match(await readFile(merged, "utf8"), /current-context: life/);
    const names = await proof.kubectl(["--kubeconfig", merged, "get", "nodes", "-o", "name"]).catch(String);
    assert.match(names, /node\//);
  });

  step("scales its workers", async () => {
    const { stdout } = await well("scale", "life", "--workers", "2", "--wait", "--timeout", "90s", "-o", "json");
    assert.deepEqual(JSON.parse(stdout).workers, [
      { name: "life-workers", replicas: 2, available: 2, version: "v1.36.2" },
    ]);
  });

  step("upgrades the control plane, then the workers, and refuses what cannot be", async () => {
    const skip = await lm("upgrade", "life", "--kubernetes-version", "v1.38.0", "--image", "registry.test/n:1.38.0");
    assert.equal(skip.code, 2, skip.stderr);
    assert.match(skip.stderr, /more than one minor/);
    const image = "registry.test/kubernetes:1.36.3-new";
    const { stderr } = await well(
      "upgrade",
      "life",
      "--kubernetes-version",
      "v1.36.3",
      "--image",
      image,
      "--wait",
      "--timeout",
      "150s",
    );
    assert.match(stderr, /control plane goes from v1\.36\.2 to v1\.36\.3/);
    const machines = await view.machines();
    assert.deepEqual([...new Set(machines.map(({ version }) => version))], ["v1.36.3"]);
    const images = proof.hosts.flatMap(({ host }) => host.microVms.map(({ spec }) => spec.rootVolume?.source));
    assert.deepEqual(new Set(images.map((source) => source?.kind === "image" && source.image)), new Set([image]));
  });

  step("deletes it, and waits until nothing is left", async () => {
    const { stdout } = await well("delete", "life", "--yes", "--timeout", "120s");
    assert.equal(stdout, "default/life\n");
    assert.equal(await proof.api.find(view.paths.cluster), undefined);
    await eventually("no microVM is left", async () =>
      proof.hosts.every(({ host }) => host.microVms.length === 0) ? true : undefined,
    );
    assert.equal((await lm("delete", "life", "--yes")).code, 3);
  });
});
