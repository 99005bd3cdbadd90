/**
 * One Machine, wholly real: the shipped template `keepalived` on the real Cluster API, capmvm as a process, flintlockd with QEMU, and the shipped node image,
 * whose guest runs the data of the kubeadm bootstrap provider. A program of its own, to be run in a network namespace without a way out; prints what it saw.
 */
import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { buildRecipe } from "@liquidmetal/image-builder";
import { composeTemplates } from "../../../tools/release/templates.ts";
import { bootImages, layoutArchive } from "../../assets/boot-images.ts";
import { eventually, type Json } from "../../assets/management/json-api.ts";
import { ProofPlane } from "../../assets/management/proof-plane.ts";
import { runKubectl } from "../../assets/management-plane.ts";
import { processesWith } from "./processes.ts";
import { World } from "./world.ts";

const root = join(import.meta.dirname, "../../..");
const namespace = "default";
const cluster = "demo";
const endpoint = "10.87.62.250";
const host = "127.0.0.1:19090";
const podNetwork = "10.244.0.0/16";
const bootMs = 780_000;

const infrastructure = `/apis/infrastructure.cluster.x-k8s.io/v1beta2/namespaces/${namespace}`;
const core = `/apis/cluster.x-k8s.io/v1beta2/namespaces/${namespace}`;

const started = performance.now();
const say = (text: string): void =>
  console.log(`${((performance.now() - started) / 1_000).toFixed(1).padStart(6)} s  ${text}`);

async function prove(): Promise<void> {
  execFileSync("ip", ["link", "set", "lo", "up"]);
  await using world = await World.open({
    args: [
      ...["--network-namespace=", "--network-subnet=10.87.62.0/24", `--network-shared=${endpoint}/32,${podNetwork}`],
      ...[`--grpc-endpoint=${host}`, "--insecure", "--restart-policy=never"],
    ],
  });
  const [images, node] = await Promise.all([bootImages(), buildRecipe({ recipe: "node/kubernetes" })]);
  await world.start();
  const microvms = await world.microvms();
  for (const { layout } of [images.kernel, node]) {
    await microvms.connection.images.importImage(layoutArchive(layout), { timeoutMs: 300_000 });
  }
  say("the host serves");
  await using proof = await ProofPlane.start({ hosts: 0 });
  say("Cluster API and capmvm serve");
  try {
    await apply(proof, {
      MVM_KERNEL_IMAGE: images.kernel.reference,
      MVM_KERNEL_FILENAME: images.kernel.elfKernelPath,
      MVM_INITRD: `{image: "${images.kernel.reference}", filename: ${images.kernel.initrdPath}}`,
      MVM_ROOT_IMAGE: node.reference,
    });
    const nodeName = await becomesReady(proof, world);
    await tellsOfDeath(proof, world, nodeName);
    await leavesNothing(proof, world);
  } catch (error) {
    console.log(error instanceof Error ? error.stack : error);
    await report(proof, world);
    throw error;
  }
}

/** What a user does: `clusterctl generate cluster`, `kubectl apply`. */
async function apply(proof: ProofPlane, images: Readonly<Record<string, string>>): Promise<void> {
  const template = (await composeTemplates(root)).get("cluster-template-keepalived.yaml") ?? "";
  const folder = mkdtempSync(join(tmpdir(), "lm-template-"));
  try {
    const file = join(folder, "cluster-template.yaml");
    writeFileSync(file, template);
    const { stdout } = await promisify(execFile)(
      proof.server.plane.programs.clusterctl,
      ["generate", "cluster", cluster, "-n", namespace, "--kubernetes-version", "v1.36.3", "--from", file],
      {
        env: {
          ...{ PATH: process.env["PATH"], HOME: folder, CLUSTERCTL_DISABLE_VERSIONCHECK: "true" },
          ...{ CONTROL_PLANE_VIP: endpoint, HOST_ENDPOINT: host, POD_CIDR: podNetwork, MICROVM_NIC_DEVICE: "eth0" },
          ...{ WORKER_MACHINE_COUNT: "0", NODE_STARTUP_TIMEOUT_SECONDS: "7200" },
          ...images,
        },
      },
    );
    await proof.kubectl(["apply", "--server-side", "-f", "-"], stdout);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  say("the cluster is declared");
}

/** Returns the name of the Node. */
async function becomesReady(proof: ProofPlane, world: World): Promise<string> {
  const { machine, microvm } = paths(await only(proof, "machines"));
  const provisioned = await until(proof, microvm, "the microVM runs", (object) =>
    object.status?.initialization?.provisioned === true ? object : undefined,
  );
  say(`the microVM runs: ${provisioned.spec.providerID}`);
  assert.match(provisioned.spec.providerID, new RegExp(`^microvm://${host}/[0-9A-Z]{26}$`));
  const paired = await until(proof, machine, "the Machine has its Node", (object) =>
    object.status?.nodeRef?.name === undefined ? undefined : object,
  );
  const nodeName: string = paired.status.nodeRef.name;
  say(`the Machine has its Node: ${nodeName}`);
  assert.equal(paired.spec.providerID, provisioned.spec.providerID);
  const kubeconfig = await workloadKubeconfig(proof);
  const node = await eventually(
    "the Node is Ready",
    async () => {
      const found: Json = JSON.parse(
        await runKubectl(proof.server.plane.programs.kubectl, kubeconfig, ["get", "node", nodeName, "-o", "json"]),
      );
      return condition(found, "Ready")?.status === "True" ? found : undefined;
    },
    { timeoutMs: bootMs },
  );
  say("the Node is Ready");
  assert.equal(node.spec.providerID, provisioned.spec.providerID);
  assert.ok(
    readFileSync(kubeconfig, "utf8").includes(`https://${endpoint}:6443`),
    "by the endpoint that it holds itself",
  );
  await until(
    proof,
    microvm,
    "the guest is ready",
    (object) => condition(object, "GuestReady")?.status === "True" || undefined,
  );
  await until(proof, microvm, "it is Ready", (object) => condition(object, "Ready")?.status === "True" || undefined);
  await until(proof, `${infrastructure}/microvmclusters/${cluster}`, "the control plane is reachable", (object) =>
    condition(object, "ControlPlaneReachable")?.status === "True" ? true : undefined,
  );
  assert.equal((await (await world.microvms()).list()).length, 1);
  say("everybody agrees");
  return nodeName;
}

/** The VMM is killed: whoever looks at the machine knows within a second. */
async function tellsOfDeath(proof: ProofPlane, world: World, nodeName: string): Promise<void> {
  const { microvm } = paths(nodeName);
  const [vmm, ...others] = processesWith(world.vmmMark ?? "none").filter(({ command }) => command.includes("qemu"));
  assert.ok(vmm !== undefined && others.length === 0, "one VMM runs");
  const began = performance.now();
  process.kill(vmm.pid, "SIGKILL");
  const dead = await until(proof, microvm, "it says that it died", (object) =>
    condition(object, "VMProvisioned")?.status === "False" ? condition(object, "VMProvisioned") : undefined,
  );
  const tookMs = performance.now() - began;
  say(`its death was told after ${tookMs.toFixed(0)} ms: ${dead.reason}: ${dead.message}`);
  assert.ok(tookMs < 1_000, `its death was told after ${tookMs} ms`);
}

async function leavesNothing(proof: ProofPlane, world: World): Promise<void> {
  await proof.kubectl(["delete", "cluster", cluster, "--wait=false"]);
  await eventually(
    "the cluster is gone",
    async () => (await proof.api.find(`${core}/clusters/${cluster}`)) === undefined || undefined,
    {
      timeoutMs: 180_000,
    },
  );
  for (const kind of ["microvmclusters", "microvmmachines"])
    assert.deepEqual(await proof.api.list(`${infrastructure}/${kind}`), [], `no ${kind} are left`);
  assert.deepEqual(await (await world.microvms()).list(), [], "no microVM is left");
  assert.deepEqual(
    processesWith(world.vmmMark ?? "none").filter(({ command }) => command.includes("qemu")),
    [],
  );
  say("nothing is left");
}

async function only(proof: ProofPlane, kind: string): Promise<string> {
  return eventually(`there is a ${kind}`, async () => (await proof.api.list(`${core}/${kind}`))[0]?.metadata.name, {
    timeoutMs: 120_000,
  });
}

/** A Machine of a control plane and its MicrovmMachine have one name. */
const paths = (name: string): { readonly machine: string; readonly microvm: string } => ({
  machine: `${core}/machines/${name}`,
  microvm: `${infrastructure}/microvmmachines/${name}`,
});

function until<T>(proof: ProofPlane, path: string, what: string, judge: (object: Json) => T | undefined): Promise<T> {
  return eventually(what, async () => judge(await proof.api.get(path)), { timeoutMs: bootMs });
}

function condition(object: Json, type: string): Json | undefined {
  return object.status?.conditions?.find((each: Json) => each.type === type);
}

async function workloadKubeconfig(proof: ProofPlane): Promise<string> {
  const secret = await proof.api.get(`/api/v1/namespaces/${namespace}/secrets/${cluster}-kubeconfig`);
  const file = join(proof.server.directory, "workload.kubeconfig");
  writeFileSync(file, Buffer.from(secret.data.value, "base64"), { mode: 0o600 });
  return file;
}

/** For whoever has to find out why. */
async function report(proof: ProofPlane, world: World): Promise<void> {
  const print = (title: string, text: string): void => console.log(`--- ${title}\n${text}`);
  for (const path of [
    `${core}/clusters`,
    `${core}/machines`,
    `${infrastructure}/microvmclusters`,
    `${infrastructure}/microvmmachines`,
  ]) {
    const objects = await proof.api.list(path).catch(() => []);
    for (const { metadata, status } of objects)
      print(`${path} ${metadata.name}`, JSON.stringify(status ?? null, null, 1).slice(0, 6_000));
  }
  for (const process of proof.server.plane.processes)
    print(process.plan.name, readFileSync(process.logFile, "utf8").split("\n").slice(-25).join("\n"));
  print("flintlockd", world.agent.log().split("\n").slice(-25).join("\n"));
  const microvms = await world.microvms();
  for (const { uid, name, status } of await microvms.list()) {
    print(
      `microVM ${name} ${uid}`,
      JSON.stringify({ phase: status.phase, reason: status.reason, message: status.message }),
    );
    print("its console", (await microvms.consoleLog(uid).catch(() => "")).slice(-8_000));
  }
}

try {
  await prove();
} catch (error) {
  console.log(error instanceof Error ? error.stack : error);
  process.exitCode = 1;
}
process.exit();
