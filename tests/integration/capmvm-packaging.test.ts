/** What a user installs: manifests, release folder, templates and the class, taken by the real kustomize, clusterctl, API server and Cluster API. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";
import {
  clusterApiSource,
  clusterApiVersion,
  kustomizeBuild,
  type Manifest,
  parseManifests,
  type RunningClusterApi,
  startClusterApi,
} from "@liquidmetal/management-plane";
import { parse } from "yaml";
import { buildImage } from "../../tools/release/image.ts";
import { type Release, writeRelease } from "../../tools/release/release.ts";
import { eventually, type Json } from "../assets/management/json-api.ts";
import { preparedPrograms } from "../assets/management/prepared-programs.ts";
import { ProofPlane } from "../assets/management/proof-plane.ts";
import { type ApiServer, startApiServer } from "../assets/management-plane.ts";

const root = join(import.meta.dirname, "../..");
const run = promisify(execFile);
const endpoint = "10.0.0.25";
const flavours = ["", "cni", "keepalived", "kube-vip", "topology"] as const;

let directory = "";
let release: Release;
let programs: Awaited<ReturnType<typeof preparedPrograms>>;

/** With the variables that have no default. */
async function clusterctl(
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<string> {
  const { stdout } = await run(programs.clusterctl, ["--config", release.configFile, ...args], {
    maxBuffer: 16 * 1024 * 1024,
    env: {
      ...{ PATH: process.env["PATH"], HOME: directory, CLUSTERCTL_DISABLE_VERSIONCHECK: "true" },
      ...{ CONTROL_PLANE_VIP: endpoint, HOST_ENDPOINT: "10.0.0.1:9090,10.0.0.2:9090" },
      ...{ MVM_ROOT_IMAGE: "registry.test/node:v1.36.3", MVM_KERNEL_IMAGE: "registry.test/kernel:6.1" },
      ...{ KUBE_VIP_IMAGE: "registry.test/kube-vip:v1" },
      ...environment,
    },
  });
  return stdout;
}

const fileOf = (flavour: string): string =>
  join(release.directory, flavour === "" ? "cluster-template.yaml" : `cluster-template-${flavour}.yaml`);

function generate(flavour: string, environment?: Readonly<Record<string, string>>, name = "demo"): Promise<string> {
  const kubernetes = ["--kubernetes-version", "v1.36.3", "--control-plane-machine-count", "3"];
  const from = ["generate", "cluster", name, "-n", "default", ...kubernetes, "--from", fileOf(flavour)];
  return clusterctl(from, environment);
}

before(async () => {
  programs = await preparedPrograms();
  directory = await mkdtemp(join(tmpdir(), "lm-packaging-"));
  release = await writeRelease({ root, directory, kustomize: programs.kustomize, image: "registry.test/capmvm:v1" });
});
after(() => rm(directory, { recursive: true, force: true }));

describe("the manifests of capmvm", () => {
  let components: readonly Manifest[] = [];
  const ofKind = (kind: string): readonly Manifest[] => components.filter((each) => each.kind === kind);

  before(async () => {
    components = parseManifests(await readFile(join(release.directory, "infrastructure-components.yaml"), "utf8"));
  });

  it("keep the rules of clusterctl", () => {
    assert.deepEqual(
      ofKind("Namespace").map(({ metadata }) => metadata.name),
      ["capmvm-system"],
    );
    for (const { kind, metadata } of components) {
      assert.equal(
        metadata.labels?.["cluster.x-k8s.io/provider"],
        "infrastructure-microvm",
        `${kind} ${metadata.name}`,
      );
      if (metadata.namespace !== undefined) assert.equal(metadata.namespace, "capmvm-system");
    }
    const [deployment] = ofKind("Deployment") as Json[];
    const [container] = deployment.spec.template.spec.containers;
    assert.equal(container.name, "manager");
    assert.equal(container.image, "registry.test/capmvm:v1");
  });

  it("give the contract of metadata.yaml to every CRD that Cluster API reads", async () => {
    const metadata = parse(await readFile(join(release.directory, "metadata.yaml"), "utf8"));
    assert.equal(metadata.kind, "Metadata");
    const series = metadata.releaseSeries.find((each: Json) =>
      release.version.startsWith(`v${each.major}.${each.minor}.`),
    );
    assert.equal(series.contract, "v1beta2");
    for (const { metadata: crd } of ofKind("CustomResourceDefinition"))
      assert.equal(crd.labels?.["cluster.x-k8s.io/v1beta2"], "v1beta2", crd.name);
  });

  it("have the API server trust every webhook and conversion that calls us", () => {
    const calling = components.filter((each) => JSON.stringify(each).includes('capmvm-webhook-service"'));
    const others = calling.filter(({ kind }) => kind !== "Service" && kind !== "Certificate");
    assert.equal(others.length, 5);
    for (const { kind, metadata } of others)
      assert.equal(
        metadata.annotations?.["cert-manager.io/inject-ca-from"],
        "capmvm-system/capmvm-serving-cert",
        `${kind} ${metadata.name}`,
      );
  });

  it("are what kustomize builds", async () => {
    const built = await kustomizeBuild(programs.kustomize, join(root, "deploy/capmvm"));
    assert.equal(built.length, components.length);
  });

  it("are not made for a version without a series", async () => {
    const wrong = writeRelease({ root, directory, kustomize: programs.kustomize, version: "v9.9.0" });
    await assert.rejects(wrong, { code: "CONFIG_INVALID", message: /no series for the version v9\.9\.0/ });
  });
});

describe("the container image", () => {
  it("runs capmvm without root, without a writable root and without anything else", async (context) => {
    const missing = await run("bwrap", ["--version"]).then(
      () => undefined,
      () => "bubblewrap is not installed",
    );
    if (missing !== undefined) return context.skip(missing);
    const layout = join(directory, "image");
    await buildImage({ root, version: release.version, output: `oci:${layout}` });
    const files = join(directory, "root");
    await mkdir(files);
    for (const layer of await layersOf(layout)) await run("tar", ["--zstd", "-xf", layer, "-C", files]);
    const sandbox = ["--ro-bind", files, "/", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"];
    const nobody = ["--unshare-all", "--clearenv", "--uid", "65532", "--gid", "65532"];
    const program = ["/usr/bin/node", "/usr/lib/capmvm/capmvm.mjs"];
    const inside = (...flags: readonly string[]): Promise<{ stdout: string }> =>
      run("bwrap", [...sandbox, ...nobody, ...program, ...flags]);
    assert.match((await inside("--version")).stdout, /^capmvm \d+\.\d+\.\d+ \([0-9a-f]{40}\)\n$/);
    await assert.rejects(inside(), { code: 2, stderr: /KUBERNETES_SERVICE_HOST/ });
  });
});

describe("clusterctl with the release folder", () => {
  let server: ApiServer;
  let clusterApi: RunningClusterApi;

  before(async () => {
    server = await startApiServer({ controllerManager: true });
    clusterApi = await startClusterApi(server.plane);
    await server.kubectl(["apply", "-f", "-"], JSON.stringify(certManagerStubs()));
  });
  after(async () => {
    await server?.[Symbol.asyncDispose]();
    await clusterApi?.[Symbol.asyncDispose]();
  });

  it("installs the provider", async () => {
    await serveClusterApi();
    const said = await clusterctl(["init", "--infrastructure", "microvm", "--kubeconfig", server.kubeconfigFile]);
    assert.doesNotMatch(said, /error/i);
    const provider = ["get", "providers", "-n", "capmvm-system", "infrastructure-microvm", "-o", "jsonpath={.version}"];
    assert.equal(await server.kubectl(provider), release.version);
    const image = "jsonpath={.spec.template.spec.containers[0].image}";
    const deployment = ["get", "deployment", "-n", "capmvm-system", "capmvm-controller-manager", "-o", image];
    assert.equal(await server.kubectl(deployment), "registry.test/capmvm:v1");
  });

  it("finds the templates by flavour, and says which variables they have", async () => {
    for (const flavour of flavours) {
      const words = flavour === "" ? [] : ["--flavor", flavour];
      const said = await clusterctl([
        ...["generate", "cluster", "demo", "--infrastructure", "microvm", "--list-variables"],
        ...["--kubeconfig", server.kubeconfigFile, ...words],
      ]);
      for (const variable of ["CONTROL_PLANE_VIP", "HOST_ENDPOINT", "MVM_ROOT_IMAGE", "MVM_KERNEL_IMAGE"])
        assert.match(said, new RegExp(`- ${variable}\\b`), flavour);
    }
  });
});

describe("the templates", () => {
  let proof: ProofPlane;

  before(async () => {
    proof = await ProofPlane.start({ hosts: 0 });
  });
  after(async () => {
    await proof?.[Symbol.asyncDispose]();
  });

  const dryRun = (objects: string): Promise<string> =>
    proof.kubectl(["apply", "--server-side", "--dry-run=server", "-o", "json", "-f", "-"], objects);

  for (const flavour of flavours.filter((each) => each !== "topology")) {
    it(`${flavour || "default"} is taken by the API server, webhooks and all`, async () => {
      const generated = await generate(flavour);
      const { items } = JSON.parse(await dryRun(generated)) as { items: Json[] };
      const [microvmCluster] = items.filter(({ kind }) => kind === "MicrovmCluster");
      assert.deepEqual(
        microvmCluster.spec.placement.staticPool.hosts.map((each: Json) => each.endpoint),
        ["10.0.0.1:9090", "10.0.0.2:9090"],
      );
      assert.equal(microvmCluster.spec.hostAccess, undefined);
      assert.equal(items.filter(({ kind }) => kind === "MachineHealthCheck").length, 2);
      for (const { kind, metadata } of items) {
        assert.equal(metadata.namespace, "default", kind);
        assert.ok(metadata.name.startsWith("demo"), `${kind} ${metadata.name} is named after its cluster`);
      }
      assert.equal(
        generated.match(/microvm:\/\/\{\{ ds\.meta_data\.vm_host \}\}\/\{\{ ds\.meta_data\.instance_id\s+\}\}/g)
          ?.length,
        3,
        "kubelets say where they run, at init, at join, and as workers",
      );
    });
  }

  it("take every variable", async () => {
    const { items } = JSON.parse(
      await dryRun(
        await generate("keepalived", {
          ...{ MICROVM_HOST_ACCESS: "{tlsSecretRef: {name: hosts-tls}, tokenSecretRef: {name: hosts-tokens}}" },
          ...{ MICROVM_SSH_PUBLIC_KEYS: '[{user: root, authorizedKeys: ["ssh-ed25519 AAAA me"]}]' },
          ...{ MVM_INITRD: "{image: registry.test/kernel:6.1, filename: boot/initrd.img}", MICROVM_PROVIDER: "qemu" },
          ...{ MICROVM_NIC_BRIDGE: "br0", MICROVM_NIC_TYPE: "macvtap", MICROVM_VRRP_ROUTER_ID: "77" },
        }),
      ),
    ) as { items: Json[] };
    const cluster = items.find(({ kind }) => kind === "MicrovmCluster");
    assert.equal(cluster.spec.hostAccess.tokenSecretRef.name, "hosts-tokens");
    assert.equal(cluster.spec.sshPublicKeys[0].user, "root");
    const template = items.find(({ kind }) => kind === "MicrovmMachineTemplate").spec.template.spec;
    assert.deepEqual([template.provider, template.initrd.filename], ["qemu", "boot/initrd.img"]);
    assert.deepEqual(template.networkInterfaces, [{ guestDeviceName: "eth1", type: "macvtap", bridge: "br0" }]);
    const { kubeadmConfigSpec } = items.find(({ kind }) => kind === "KubeadmControlPlane").spec;
    assert.deepEqual(kubeadmConfigSpec.preKubeadmCommands, [`/etc/liquidmetal/hold-endpoint ${endpoint} 77`]);
  });

  it("the class makes the same of its variables", async () => {
    const classes = await clusterctl([
      "generate",
      "yaml",
      "--from",
      join(release.directory, "clusterclass-microvm.yaml"),
    ]);
    await proof.kubectl(["apply", "--server-side", "-n", "default", "-f", "-"], classes);
    await eventually("the class is reconciled", async () => {
      const found = await proof.api.get("/apis/cluster.x-k8s.io/v1beta2/namespaces/default/clusterclasses/microvm");
      const ready = found.status?.conditions?.find((each: Json) => each.type === "VariablesReady");
      return ready?.status === "True" ? true : undefined;
    });
    await eventually("the cluster is taken", async () => {
      const topology = await generate(
        "topology",
        { MVM_INITRD: "{image: registry.test/kernel:6.1, filename: boot/initrd}" },
        "classy",
      );
      return proof.kubectl(["apply", "--server-side", "-f", "-"], topology);
    });
    const infrastructure = "/apis/infrastructure.cluster.x-k8s.io/v1beta2/namespaces/default";
    const owned = "labelSelector=cluster.x-k8s.io/cluster-name=classy";
    const first = (path: string): Promise<Json> =>
      eventually(`there is one of ${path}`, async () => (await proof.api.list(`${path}?${owned}`))[0]);
    const microvmCluster = await first(`${infrastructure}/microvmclusters`);
    assert.deepEqual(microvmCluster.spec.controlPlaneEndpoint, { host: endpoint, port: 6443 });
    assert.deepEqual(
      microvmCluster.spec.placement.staticPool.hosts.map((each: Json) => each.endpoint),
      ["10.0.0.1:9090", "10.0.0.2:9090"],
    );
    const controlPlane = await first(
      "/apis/controlplane.cluster.x-k8s.io/v1beta2/namespaces/default/kubeadmcontrolplanes",
    );
    assert.deepEqual(controlPlane.spec.kubeadmConfigSpec.preKubeadmCommands, [
      `/etc/liquidmetal/hold-endpoint ${endpoint} auto`,
    ]);
    const template = (await first(`${infrastructure}/microvmmachinetemplates`)).spec.template.spec;
    assert.deepEqual(
      [template.rootVolume.image, template.initrd.filename],
      ["registry.test/node:v1.36.3", "boot/initrd"],
    );
    await proof.kubectl(["delete", "cluster", "classy", "--wait=false"]);
  });
});

/** Paths of the layers of the one image in a layout, from the bottom up. */
async function layersOf(layout: string): Promise<readonly string[]> {
  const blob = (digest: string): string => join(layout, "blobs", digest.replace(":", "/"));
  const read = async (file: string): Promise<Json> => JSON.parse(await readFile(file, "utf8"));
  const [first] = (await read(join(layout, "index.json"))).manifests;
  const manifest = await read(blob(first.digest));
  const image = manifest.manifests === undefined ? manifest : await read(blob(manifest.manifests[0].digest));
  return image.layers.map(({ digest }: Json) => blob(digest));
}

/** clusterctl asks the repositories of what is installed already for the contracts that they meet: folders instead of the internet. */
async function serveClusterApi(): Promise<void> {
  const source = await clusterApiSource({ report: () => {} });
  const config = parse(await readFile(release.configFile, "utf8"));
  for (const [name, type, folder, file] of [
    ["cluster-api", "CoreProvider", "cluster-api", "core-components.yaml"],
    ["kubeadm", "BootstrapProvider", "bootstrap-kubeadm", "bootstrap-components.yaml"],
    ["kubeadm", "ControlPlaneProvider", "control-plane-kubeadm", "control-plane-components.yaml"],
  ] as const) {
    const version = join(directory, folder, clusterApiVersion);
    await mkdir(version, { recursive: true });
    await copyFile(join(source, "metadata.yaml"), join(version, "metadata.yaml"));
    config.providers.push({ name, type, url: join(version, file) });
  }
  await writeFile(release.configFile, JSON.stringify(config));
}

/** As much of cert-manager as makes clusterctl believe that it is there. */
function certManagerStubs(): Json {
  const crd = (kind: string, plural: string): Json => ({
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${plural}.cert-manager.io` },
    spec: {
      group: "cert-manager.io",
      names: { kind, plural, singular: kind.toLowerCase(), listKind: `${kind}List` },
      scope: "Namespaced",
      versions: [
        {
          name: "v1",
          served: true,
          storage: true,
          schema: { openAPIV3Schema: { type: "object", "x-kubernetes-preserve-unknown-fields": true } },
        },
      ],
    },
  });
  return { apiVersion: "v1", kind: "List", items: [crd("Certificate", "certificates"), crd("Issuer", "issuers")] };
}
