/** The verbs of `lm cluster` against an API server in memory. What the real one says is in tests/integration/cli-cluster.test.ts. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { KubernetesObject, Resource } from "@liquidmetal/kubernetes";
import { parseAllDocuments } from "yaml";
import {
  clusters,
  controlPlanes,
  machineDeployments,
  microvmMachineTemplates,
  resourceOf,
  secrets,
} from "./objects.ts";
import { ClusterWorld } from "./testing/cluster-session.ts";
import { put } from "./testing/recorded-cluster.ts";

const key = (name: string): { readonly namespace: string; readonly name: string } => ({ namespace: "default", name });
const node = (version: string): { reference: string; labels: { [key: string]: string } } => ({
  reference: `host.test/node:${version}`,
  labels: { "dev.liquidmetal.kubernetes.version": version },
});
const kernel = {
  reference: "host.test/kernel:6.1",
  labels: { "dev.liquidmetal.kernel.elf.path": "boot/vmlinux", "dev.liquidmetal.initrd.path": "boot/initrd.img" },
};
const images = [node("v1.35.6"), node("v1.36.3"), kernel];

type Fields = Readonly<Record<string, unknown>>;

/** A field by its path, as in "spec.template.spec.vcpu". */
function field(object: KubernetesObject | undefined, path: string): unknown {
  return path.split(".").reduce<unknown>((value, name) => Object(value)[name], object);
}

function kinds(text: string): readonly string[] {
  return parseAllDocuments(text).map((document) => String(document.get("kind")));
}

function document(text: string, kind: string): Fields {
  const found = parseAllDocuments(text).find((each) => each.get("kind") === kind);
  return Object(found?.toJS());
}

describe("lm cluster create", () => {
  test("needs nothing but a name on the local platform: images, host and endpoint are found", async () => {
    const world = new ClusterWorld({ images });
    const { out } = await world.run("cluster create demo --dry-run");
    assert.deepEqual(kinds(out), [
      ...["Cluster", "MicrovmCluster", "KubeadmControlPlane", "MicrovmMachineTemplate", "MachineDeployment"],
      ...["MicrovmMachineTemplate", "KubeadmConfigTemplate", "MachineHealthCheck", "MachineHealthCheck"],
      ...["ClusterResourceSet", "ConfigMap"],
    ]);
    const infrastructure = document(out, "MicrovmCluster");
    assert.deepEqual(field(infrastructure, "spec.controlPlaneAddressPool.addresses"), ["10.62.0.240-10.62.0.254"]);
    assert.equal(field(infrastructure, "spec.controlPlaneEndpoint"), undefined);
    assert.deepEqual(field(infrastructure, "spec.placement.staticPool.hosts"), [{ endpoint: "127.0.0.1:9090" }]);
    const template = document(out, "MicrovmMachineTemplate");
    assert.equal(field(template, "spec.template.spec.rootVolume.image"), "host.test/node:v1.36.3");
    assert.deepEqual(field(template, "spec.template.spec.initrd"), {
      image: kernel.reference,
      filename: "boot/initrd.img",
    });
    assert.equal(field(document(out, "KubeadmControlPlane"), "spec.version"), "v1.36.3");
    assert.match(JSON.stringify(document(out, "KubeadmControlPlane")), /hold-endpoint kubeadm auto/);
    assert.equal(world.api.objects(clusters).length, 0);
  });

  test("takes sizes, counts, networks and hosts from flags, and anything from --set", async () => {
    const world = new ClusterWorld({ images });
    const { out } = await world.run(
      "cluster create demo --dry-run --control-plane-count 3 --worker-count 2 --memory 4G --worker-memory 2G --vcpu 4 --worker-disk 20G --pod-cidr 10.1.0.0/16 " +
        "--endpoint 10.0.0.5:7443 --host 10.0.0.1:9090 --host 10.0.0.2:9090 --kubernetes-version 1.35.6 --image i --kernel k --set MICROVM_PROVIDER=firecracker",
    );
    const [controlPlane, worker] = parseAllDocuments(out)
      .map((each) => Object(each.toJS()))
      .filter(({ kind }) => kind === "MicrovmMachineTemplate");
    assert.deepEqual(
      [field(controlPlane, "spec.template.spec.memoryMiB"), field(worker, "spec.template.spec.memoryMiB")],
      [4096, 2048],
    );
    assert.deepEqual(
      [field(worker, "spec.template.spec.vcpu"), field(worker, "spec.template.spec.rootVolume.sizeMiB")],
      [4, 20480],
    );
    assert.equal(field(worker, "spec.template.spec.provider"), "firecracker");
    assert.equal(field(document(out, "KubeadmControlPlane"), "spec.replicas"), 3);
    assert.equal(field(document(out, "MachineDeployment"), "spec.replicas"), 2);
    assert.deepEqual(field(document(out, "MicrovmCluster"), "spec.controlPlaneEndpoint"), {
      host: "10.0.0.5",
      port: 7443,
    });
    assert.equal(
      (field(document(out, "MicrovmCluster"), "spec.placement.staticPool.hosts") as readonly unknown[]).length,
      2,
    );
    assert.deepEqual(field(document(out, "Cluster"), "spec.clusterNetwork.pods.cidrBlocks"), ["10.1.0.0/16"]);
  });

  test("makes the objects, and finishes a creation that was cut off", async () => {
    const world = new ClusterWorld({ images });
    world.api.fail({ verb: "apply", kind: "MachineDeployment" }, { status: 403 });
    await assert.rejects(world.run("cluster create demo"));
    await world.run("cluster create demo");
    assert.equal(world.api.objects(machineDeployments).length, 1);
    const { out } = await world.run("cluster create demo -o name");
    assert.equal(out, "default/demo\n");
  });

  test("does not change a cluster that is there", async () => {
    const world = new ClusterWorld({ images });
    await world.run("cluster create demo");
    await assert.rejects(world.run("cluster create demo --worker-count 5"), {
      code: "OBJECT_EXISTS",
      message: /made differently/,
    });
    assert.equal(field(world.api.read(machineDeployments, key("demo-md-0")), "spec.replicas"), 1);
  });

  test("with and without the network of the node image", async () => {
    const world = new ClusterWorld({ images });
    assert.ok(
      !kinds((await world.run("cluster create demo --dry-run --cni=false")).out).includes("ClusterResourceSet"),
    );
    const { out } = await world.run("cluster create demo --dry-run --flavor plain --endpoint 10.0.0.5 --cni");
    assert.ok(kinds(out).includes("ClusterResourceSet"));
    assert.equal(Object(field(document(out, "Cluster"), "metadata.labels"))["capmvm.liquidmetal.dev/addons"], "demo");
  });

  test("from the ClusterClass, which is shared by clusters", async () => {
    const world = new ClusterWorld({ images });
    await world.run("cluster create one --from clusterclass --endpoint 10.0.0.5");
    await world.run("cluster create two --from clusterclass --endpoint 10.0.0.6");
    assert.equal(world.api.objects(clusters).length, 2);
    const classes: Resource = resourceOf({ apiVersion: "cluster.x-k8s.io/v1beta2", kind: "ClusterClass" });
    assert.equal(classes.plural, "clusterclasses");
    assert.equal(world.api.objects(classes).length, 1);
  });

  const wrong: readonly [string, string, RegExp][] = [
    ["cluster create Demo --dry-run", "REQUEST_INVALID", /no name for a cluster/],
    ["cluster create demo --dry-run --control-plane-count 2", "REQUEST_INVALID", /must be odd/],
    [
      "cluster create demo --dry-run --kubernetes-version 1.34.1",
      "IMAGE_NOT_FOUND",
      /v1\.34\.1 \(there are v1\.36\.3, v1\.35\.6\)/,
    ],
    ["cluster create demo --dry-run --kubernetes-version latest", "REQUEST_INVALID", /no version of Kubernetes/],
    [
      "cluster create demo --dry-run --image host.test/node:v1.35.6 --kubernetes-version 1.36.3",
      "REQUEST_INVALID",
      /is of Kubernetes v1\.35\.6/,
    ],
    ["cluster create demo --dry-run --memory much", "REQUEST_INVALID", /--memory must be a size/],
    ["cluster create demo --dry-run --endpoint a:b:c:d", "REQUEST_INVALID", /--endpoint/],
    ["cluster create demo --dry-run --set novalue", "REQUEST_INVALID", /NAME=VALUE/],
    ["cluster create demo --dry-run --flavor plain", "REQUEST_INVALID", /wants CONTROL_PLANE_VIP/],
    ["cluster create demo --dry-run --from /nonexistent/file", "REQUEST_INVALID", /cannot be read/],
    [
      "cluster create demo --dry-run --kubeconfig k --endpoint a",
      "REQUEST_INVALID",
      /--kubernetes-version, --image, --kernel are missing/,
    ],
  ];
  for (const [line, code, message] of wrong)
    test(`${line.slice(15)} is refused`, () =>
      assert.rejects(new ClusterWorld({ images }).run(line), { code, message }));

  test("says how to make images that are not there", async () => {
    await assert.rejects(new ClusterWorld().run("cluster create demo --dry-run"), {
      code: "IMAGE_NOT_FOUND",
      remedy: /lm image build node\/kubernetes/,
    });
  });
});

describe("lm cluster create --wait", () => {
  test("follows the way by watches, and ends when all is available", async () => {
    const world = new ClusterWorld({ images });
    await put(world.api, "waiting-for-bootstrap-data");
    let told = 0;
    const watched = world.run("cluster scale demo --workers 1 --wait --timeout 20s", {
      onErr: (text) => {
        if (!text.includes("WaitingForBootstrapData") && !text.includes("waiting for the bootstrap provider")) return;
        told += 1;
        if (told === 1) void put(world.api, "available");
      },
    });
    const { err } = await watched;
    assert.match(err, /Machine demo-control-plane-kkjbh: waiting \(v1\.36\.3\): waiting for the bootstrap provider/);
    assert.match(err, /Cluster demo: ready/);
    assert.equal(world.api.openWatches(), 0);
  });

  test("says at its deadline what was waited for", async () => {
    const world = new ClusterWorld({ images });
    await put(world.api, "waiting-for-bootstrap-data");
    await assert.rejects(world.run("cluster scale demo --workers 1 --wait --timeout 300ms"), {
      code: "DEADLINE_EXCEEDED",
      message: /waiting for the bootstrap provider/,
      remedy: /lm cluster describe demo/,
    });
    assert.equal(world.api.openWatches(), 0);
  });

  test("leaves the cluster at Ctrl-C, and says how to go on", async () => {
    const world = new ClusterWorld({ images });
    await put(world.api, "waiting-for-bootstrap-data");
    const interrupt = new AbortController();
    let err = "";
    const watched = world.run("cluster scale demo --workers 1 --wait", {
      signal: interrupt.signal,
      onErr: (text) => {
        err += text;
        if (text.includes("waiting for the bootstrap provider")) interrupt.abort(new Error("Ctrl-C"));
      },
    });
    await assert.rejects(watched);
    assert.match(err, /goes on without this command; see 'lm cluster describe demo/);
    assert.equal(world.api.objects(clusters).length, 1);
  });
});

describe("what is there", () => {
  test("is listed and described", async () => {
    const world = new ClusterWorld();
    assert.match((await world.run("cluster list")).err, /No clusters in namespace default/);
    await put(world.api, "available");
    const { out } = await world.run("cluster list -o json");
    const [listed] = JSON.parse(out);
    assert.equal(listed.state, "ready");
    assert.deepEqual(
      [listed.version, listed.controlPlane, listed.workers[0].replicas],
      ["v1.36.3", { replicas: 1, available: 1 }, 1],
    );
    assert.match((await world.run("cluster list")).out, /^NAME +STATE .*\ndemo +ready +v1\.36\.3 +1\/1 +1\/1 /);
    assert.match((await world.run("cluster describe demo")).out, /✓ Cluster demo/);
    const described = JSON.parse((await world.run("cluster describe demo -o json")).out);
    assert.equal(described.firstReason, "");
    assert.equal(described.tree.children[1].children[0].kind, "Machine");
    await assert.rejects(world.run("cluster describe other"), { code: "OBJECT_NOT_FOUND" });
  });

  test("has a kubeconfig through the platform's proxy, once there is one", async () => {
    const world = new ClusterWorld();
    await put(world.api, "available");
    await assert.rejects(world.run("cluster kubeconfig demo"), {
      code: "OBJECT_NOT_FOUND",
      message: /no kubeconfig yet/,
    });
    const value = Buffer.from(
      JSON.stringify({
        clusters: [{ name: "demo", cluster: { server: "https://10.0.0.5:6443" } }],
        users: [{ name: "demo-admin", user: { token: "t" } }],
        contexts: [{ name: "demo-admin@demo", context: { cluster: "demo", user: "demo-admin" } }],
        "current-context": "demo-admin@demo",
      }),
    ).toString("base64");
    world.api.put(secrets, { metadata: key("demo-kubeconfig"), data: { value } });
    assert.match((await world.run("cluster kubeconfig demo")).out, /proxy-url: http:\/\/127\.0\.0\.1:8123/);
    assert.doesNotMatch((await world.run("cluster kubeconfig demo --kubeconfig k")).out, /proxy-url/);
  });
});

describe("lm cluster scale", () => {
  test("changes replicas and nothing else", async () => {
    const world = new ClusterWorld({ images });
    await world.run("cluster create demo");
    const before = world.api.read(machineDeployments, key("demo-md-0"));
    await world.run("cluster scale demo --workers 4 --control-plane 3");
    const after = world.api.read(machineDeployments, key("demo-md-0"));
    assert.deepEqual(after?.spec, { ...before?.spec, replicas: 4 });
    assert.equal(field(world.api.read(controlPlanes, key("demo-control-plane")), "spec.replicas"), 3);
    await world.run("cluster scale demo --pool md-0=0");
    assert.equal(field(world.api.read(machineDeployments, key("demo-md-0")), "spec.replicas"), 0);
    await assert.rejects(world.run("cluster scale demo --pool gpu=1"), {
      message: /no pool 'gpu'/,
      remedy: /demo-md-0/,
    });
    await assert.rejects(world.run("cluster scale demo --control-plane 2"), { message: /odd/ });
    await assert.rejects(world.run("cluster scale demo"), { code: "REQUEST_INVALID" });
  });

  test("changes a topology where the cluster has one", async () => {
    const world = new ClusterWorld({ images });
    await world.run("cluster create demo --from clusterclass --endpoint 10.0.0.5");
    world.api.put(machineDeployments, {
      metadata: {
        ...key("demo-md-0-x7k2p"),
        labels: { "cluster.x-k8s.io/cluster-name": "demo", "topology.cluster.x-k8s.io/deployment-name": "md-0" },
      },
      spec: { clusterName: "demo", replicas: 1 },
    });
    await world.run("cluster scale demo --pool md-0=3 --control-plane 3");
    const topology = world.api.read(clusters, key("demo"))?.spec?.topology;
    assert.equal(topology?.controlPlane?.replicas, 3);
    assert.equal(topology?.workers?.machineDeployments?.[0]?.replicas, 3);
  });
});

describe("lm cluster upgrade", () => {
  async function available(): Promise<ClusterWorld> {
    const world = new ClusterWorld({ images });
    await world.run("cluster create demo --kubernetes-version 1.35.6");
    await says(world, "v1.35.6");
    return world;
  }

  /** Plays the controllers: everything is of the version that it was told. */
  async function says(world: ClusterWorld, version: string): Promise<void> {
    const client = world.api.client({ fieldManager: "controllers" });
    const labels = { "cluster.x-k8s.io/cluster-name": "demo" };
    const condition = {
      type: "Available",
      status: "True",
      reason: "Available",
      message: "",
      lastTransitionTime: "2026-11-23T19:52:10Z",
    };
    for (const [kind, name] of [
      [controlPlanes, "demo-control-plane"],
      [machineDeployments, "demo-md-0"],
    ] as const) {
      const { metadata } = await client.mergePatch(kind as Resource, key(name), { metadata: { labels } });
      const counts = {
        replicas: 1,
        availableReplicas: 1,
        upToDateReplicas: 1,
        observedGeneration: metadata?.generation,
      };
      await client.mergePatch(
        kind as Resource,
        key(name),
        { status: { ...counts, version, conditions: [condition] } },
        { subresource: "status" },
      );
    }
  }

  test("makes templates, brings the control plane, waits for it, then the workers", async () => {
    const world = await available();
    let seen = "";
    const { err } = await world.run("cluster upgrade demo --kubernetes-version 1.36.3 --timeout 20s", {
      onErr: (text) => {
        if (!text.includes("The control plane goes")) return;
        seen = String(field(world.api.read(machineDeployments, key("demo-md-0")), "spec.template.spec.version"));
        void says(world, "v1.36.3");
      },
    });
    assert.equal(seen, "v1.35.6", "workers stay until the control plane is there");
    assert.match(err, /Workers demo-md-0 go from v1\.35\.6 to v1\.36\.3/);
    const pool = world.api.read(machineDeployments, key("demo-md-0"));
    assert.equal(pool?.spec?.template?.spec?.version, "v1.36.3");
    const template = pool?.spec?.template?.spec?.infrastructureRef?.name ?? "";
    assert.match(template, /^demo-md-0-v1-36-3-[0-9a-f]{8}$/);
    const made = world.api.read(microvmMachineTemplates, key(template));
    assert.equal(made?.spec?.template?.spec?.rootVolume?.image, "host.test/node:v1.36.3");
    assert.equal(made?.spec?.template?.spec?.kernel?.image, kernel.reference);
    assert.equal(world.api.objects(microvmMachineTemplates).length, 4, "the old ones are left");
    const again = await world.run("cluster upgrade demo --kubernetes-version 1.36.3 --timeout 20s");
    assert.match(again.err, /control plane is of v1\.36\.3 already/);
    assert.equal(world.api.objects(microvmMachineTemplates).length, 4);
  });

  const refused: readonly [string, RegExp][] = [
    ["--kubernetes-version 1.37.0", /more than one minor/],
    ["--kubernetes-version 1.35.5", /older/],
    ["--kubernetes-version 1.36.9", /no node image of Kubernetes v1\.36\.9/],
    ["--kubernetes-version next", /no version/],
  ];
  for (const [flags, message] of refused) {
    test(`${flags} is refused, and nothing is changed`, async () => {
      const world = await available();
      world.api.forgetCalls();
      await assert.rejects(world.run(`cluster upgrade demo ${flags}`), { message });
      assert.deepEqual(world.api.writes(), {});
    });
  }

  test("a control plane that is not available is not upgraded", async () => {
    const world = new ClusterWorld({ images });
    await world.run("cluster create demo --kubernetes-version 1.35.6");
    await assert.rejects(world.run("cluster upgrade demo --kubernetes-version 1.36.3"), { code: "PHASE_CONFLICT" });
  });
});

describe("lm cluster delete", () => {
  test("asks first, takes the network's manifests along, and waits until the cluster is gone", async () => {
    const world = new ClusterWorld({ images });
    await world.run("cluster create demo");
    await assert.rejects(world.run("cluster delete demo"), { message: /not confirmed/, remedy: /--yes/ });
    assert.equal(world.api.objects(clusters).length, 1);
    const { out } = await world.run("cluster delete demo --yes --timeout 10s");
    assert.equal(out, "default/demo\n");
    assert.equal(world.api.objects(clusters).length, 0);
    const sets = resourceOf({ apiVersion: "addons.cluster.x-k8s.io/v1beta2", kind: "ClusterResourceSet" });
    assert.equal(world.api.objects(sets).length, 0);
    await assert.rejects(world.run("cluster delete demo --yes"), { code: "OBJECT_NOT_FOUND" });
    await world.run("cluster delete demo --yes --ignore-not-found");
  });
});
