/** The API of capmvm on a real API server: what it accepts, completes, refuses and shows, in both versions. */
import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { parseAllDocuments } from "yaml";
import { type Answer, ApiAnswers } from "../assets/api-answers.ts";
import { type CapmvmApi, serveCapmvmApi } from "../assets/capmvm-api.ts";
import { type ApiServer, startApiServer } from "../assets/management-plane.ts";

type Json = Answer["body"];

const group = "/apis/infrastructure.cluster.x-k8s.io";
const path = (version: string, plural: string, name = ""): string =>
  `${group}/${version}/namespaces/default/${plural}${name === "" ? "" : `/${name}`}`;

const cluster = (name: string, spec: Json = {}, metadata: Json = {}): Json => ({
  apiVersion: "infrastructure.cluster.x-k8s.io/v1beta2",
  kind: "MicrovmCluster",
  metadata: { name, namespace: "default", ...metadata },
  spec: { placement: { staticPool: { hosts: [{ endpoint: "10.0.0.1:9090" }] } }, ...spec },
});
const machineSpec: Json = {
  vcpu: 2,
  memoryMiB: 2048,
  rootVolume: { id: "root", image: "registry.example/os:1" },
  kernel: { image: "registry.example/kernel:6.12" },
  networkInterfaces: [{ guestDeviceName: "eth1", type: "tap" }],
};
const machine = (name: string, spec: Json = {}): Json => ({
  apiVersion: "infrastructure.cluster.x-k8s.io/v1beta2",
  kind: "MicrovmMachine",
  metadata: { name, namespace: "default" },
  spec: { ...machineSpec, ...spec },
});

describe("the API of capmvm on a real API server", () => {
  let server: ApiServer;
  let api: CapmvmApi;
  let answers: ApiAnswers;

  before(async () => {
    server = await startApiServer();
    api = await serveCapmvmApi(server);
    answers = new ApiAnswers(server);
  });
  after(async () => {
    answers?.[Symbol.dispose]();
    await api?.[Symbol.asyncDispose]();
    await server?.[Symbol.asyncDispose]();
  });

  const create = (object: Json, query = ""): Promise<Answer> =>
    answers.ask("POST", `${path(object.apiVersion.split("/")[1], `${object.kind.toLowerCase()}s`)}${query}`, object);
  const created = async (object: Json): Promise<Json> => {
    const { status, body } = await create(object);
    assert.equal(status, 201, body.message);
    return body;
  };

  test("its CRDs are established, structural, and within the cost budget of CEL", async () => {
    const { body } = await answers.ask("GET", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions");
    assert.equal(body.items.length, 6);
    for (const { metadata, status } of body.items) {
      const types = status.conditions.filter((one: Json) => one.status === "True").map((one: Json) => one.type);
      assert.deepEqual(types.toSorted(), ["Established", "NamesAccepted"], metadata.name);
      assert.deepEqual(status.storedVersions, ["v1beta2"]);
    }
  });

  test("every object of upstream's templates and samples is taken as v1alpha1, read as v1beta2, and comes back as it was", async () => {
    const folder = join(import.meta.dirname, "../assets/capmvm-v1alpha1");
    for (const file of await readdir(folder)) {
      for (const document of parseAllDocuments(await readFile(join(folder, file), "utf8"))) {
        const object = document.toJS();
        const plural = `${object.kind.toLowerCase()}s`;
        const { status, warnings, body } = await create(object);
        assert.equal(status, 201, `${file}: ${body.message}`);
        assert.ok(
          warnings.some((text) => /v1alpha1 .* is deprecated; use .*v1beta2/.test(text)),
          String(warnings),
        );
        if (object.status !== undefined) {
          const answer = await answers.ask(
            "PATCH",
            `${path("v1alpha1", plural, object.metadata.name)}/status`,
            { status: object.status },
            "merge",
          );
          assert.equal(answer.status, 200, answer.body.message);
        }
        const [old, now] = [
          await read("v1alpha1", plural, object.metadata.name),
          await read("v1beta2", plural, object.metadata.name),
        ];
        assert.equal(now.apiVersion, "infrastructure.cluster.x-k8s.io/v1beta2");
        assert.deepEqual(old.status, object.status);
        assert.deepEqual(withoutFilledIn(old.spec), withoutFilledIn(object.spec), `${file}: ${object.metadata.name}`);
      }
    }
  });

  const read = async (version: string, plural: string, name: string): Promise<Json> =>
    (await answers.ask("GET", path(version, plural, name))).body;

  test("fills in defaults: port, control planes allowed, kernel, MACs that stay", async () => {
    const made = await created(
      cluster("defaults", { controlPlaneAddressPool: { addresses: ["10.0.0.240-10.0.0.250"] } }),
    );
    assert.equal(made.spec.controlPlaneAddressPool.port, 6443);
    assert.equal(made.spec.placement.staticPool.hosts[0].controlPlaneAllowed, true);
    assert.equal(made.spec.controlPlaneEndpoint, undefined, "omitted when nobody gave one");
    const vm = await created(machine("defaults"));
    assert.equal(vm.spec.kernel.filename, "boot/vmlinux");
    assert.equal(vm.spec.rootVolume.readOnly, false);
    const [{ guestMac }] = vm.spec.networkInterfaces;
    assert.match(guestMac, /^[0-9a-f][26ae](:[0-9a-f]{2}){5}$/);
    assert.equal((await read("v1alpha1", "microvmmachines", "defaults")).spec.networkInterfaces[0].guestMac, guestMac);
  });

  test("prunes fields that no schema names", async () => {
    const made = await created(machine("pruned", { overrides: { bridgeName: "br0" } }));
    assert.equal(made.spec.overrides, undefined);
  });

  test("leaves out what is null, also where it is applied server-side as GitOps tools do", async () => {
    const applied = async (object: Json): Promise<Json> => {
      const url = path("v1beta2", `${object.kind.toLowerCase()}s`, object.metadata.name);
      const { status, body } = await answers.ask("PATCH", `${url}?fieldManager=flux`, object, "apply");
      assert.ok([200, 201].includes(status), body.message);
      return body.spec;
    };
    for (let times = 0; times < 2; times++) {
      const { hostAccess, sshPublicKeys } = await applied(cluster("nulls", { hostAccess: null, sshPublicKeys: null }));
      assert.deepEqual([hostAccess, sshPublicKeys], [undefined, undefined]);
    }
    const networkInterfaces = [{ guestDeviceName: "eth1", type: "tap", bridge: null }];
    const spec = await applied(machine("nulls", { provider: null, initrd: null, networkInterfaces }));
    assert.deepEqual(Object.keys(spec).toSorted(), ["kernel", "memoryMiB", "networkInterfaces", "rootVolume", "vcpu"]);
  });

  test("refuses with the field, what is wrong and what to do", async () => {
    const { status, body } = await create(
      machine("refused", { networkInterfaces: [{ guestDeviceName: "a/b", type: "tap" }] }),
    );
    assert.equal(status, 422);
    assert.match(
      body.message,
      /"refused" is invalid: spec\.networkInterfaces\[0\]\.guestDeviceName: Invalid value: .* as in eth1/,
    );
    assert.deepEqual(
      body.details.causes.map(({ field }: Json) => field),
      ["spec.networkInterfaces[0].guestDeviceName"],
    );
  });

  test("refuses by the schema alone what is out of bounds or against a rule in CEL", async () => {
    const cases: readonly (readonly [Json, RegExp])[] = [
      [cluster("x", { placement: { staticPool: { hosts: [] } } }), /hosts/],
      [cluster("x", { controlPlaneEndpoint: { host: "a", port: 0 } }), /controlPlaneEndpoint\.port/],
      [
        cluster("x", { controlPlaneEndpoint: { host: "a".repeat(513), port: 1 } }),
        /Too long: may not be more than 512/,
      ],
      [cluster("x", { controlPlaneAddressPool: {} }), /either a list of addresses or a reference/],
      [machine("x", { providerID: "aws:///zone/i-1" }), /spec\.providerID/],
      [
        machine("x", { networkInterfaces: [{ guestDeviceName: "eth1", type: "tap", gateway: "10.0.0.1" }] }),
        /need an address/,
      ],
      [
        machine("x", { networkInterfaces: [machineSpec.networkInterfaces[0], machineSpec.networkInterfaces[0]] }),
        /Duplicate value/,
      ],
      [machine("x", { hostSelector: {} }), /hostSelector/],
    ];
    for (const [object, message] of cases) {
      const { status, body } = await create(object);
      assert.equal(status, 422, JSON.stringify(object.spec));
      assert.match(body.message, message);
    }
  });

  test("checks what comes as v1alpha1 by the same rules", async () => {
    const [, upstreams] = parseAllDocuments(
      await readFile(join(import.meta.dirname, "../assets/capmvm-v1alpha1/cluster-template.yaml"), "utf8"),
    );
    const object = upstreams?.toJS() as Json;
    const spec = { ...object.spec.template.spec, volumes: [{ id: "root", image: "twice" }] };
    const { status, body } = await create({ ...object, metadata: { name: "x" }, spec: { template: { spec } } });
    assert.equal(status, 422);
    assert.match(body.message, /spec\.template\.spec\.additionalVolumes\[0\]\.id: Duplicate value/);
    const bare = { ...cluster("x"), apiVersion: "infrastructure.cluster.x-k8s.io/v1alpha1", spec: { placement: {} } };
    assert.match((await create(bare)).body.message, /spec\.placement\.staticPool/);
  });

  test("warns where hosts may think otherwise", async () => {
    const { status, warnings } = await create(
      machine("large", {
        vcpu: 128,
        provider: "firecracker",
        networkInterfaces: [{ guestDeviceName: "eth1", type: "macvtap" }],
      }),
    );
    assert.equal(status, 201);
    assert.match(warnings.join("\n"), /spec\.vcpu: 128 is more than upstream's flintlock takes[\s\S]*no macvtap/);
  });

  test("keeps the endpoint of a control plane once it is set, in either version", async () => {
    await created(cluster("endpoint"));
    const set = (version: string, host: string): Promise<Answer> =>
      answers.ask(
        "PATCH",
        path(version, "microvmclusters", "endpoint"),
        { spec: { controlPlaneEndpoint: { host, port: 6443 } } },
        "merge",
      );
    assert.equal((await set("v1beta2", "10.0.0.250")).status, 200);
    for (const version of ["v1beta2", "v1alpha1"]) {
      const { status, body } = await set(version, "10.0.0.251");
      assert.equal(status, 422, version);
      assert.match(body.message, /cannot change/);
    }
    const removal = await answers.ask(
      "PATCH",
      path("v1beta2", "microvmclusters", "endpoint"),
      { spec: { controlPlaneEndpoint: null } },
      "merge",
    );
    assert.equal(removal.status, 422);
  });

  test("fixes the spec of a machine but for its provider id, in either version", async () => {
    await created(machine("fixed"));
    const patch = (version: string, spec: Json): Promise<Answer> =>
      answers.ask("PATCH", path(version, "microvmmachines", "fixed"), { spec }, "merge");
    assert.match((await patch("v1beta2", { vcpu: 4 })).body.message, /spec\.vcpu: Forbidden/);
    assert.match((await patch("v1alpha1", { memoryMb: 4096 })).body.message, /spec\.memoryMiB: Forbidden/);
    assert.equal((await patch("v1beta2", { providerID: "microvm://10.0.0.1:9090/01HX" })).status, 200);
    const again = await patch("v1alpha1", { providerID: "microvm://10.0.0.1:9090/01HY" });
    assert.equal(again.status, 200);
    assert.match(again.warnings.join(), /was microvm:\/\/10\.0\.0\.1:9090\/01HX/);
  });

  test("fixes templates, except for the topology controller's dry runs", async () => {
    const template = (vcpu: number, annotations: Json = {}): Json => ({
      apiVersion: "infrastructure.cluster.x-k8s.io/v1beta2",
      kind: "MicrovmMachineTemplate",
      metadata: { name: "fixed", namespace: "default", annotations },
      spec: { template: { spec: { ...machineSpec, vcpu } } },
    });
    await created(template(2));
    const apply = (object: Json, query: string): Promise<Answer> =>
      answers.ask(
        "PATCH",
        `${path("v1beta2", "microvmmachinetemplates", "fixed")}?fieldManager=topology&force=true${query}`,
        object,
        "apply",
      );
    const annotated = template(4, { "topology.cluster.x-k8s.io/dry-run": "" });
    assert.equal((await apply(annotated, "&dryRun=All")).status, 200);
    for (const [object, query] of [
      [annotated, ""],
      [template(4), "&dryRun=All"],
      [template(4), ""],
    ] as const) {
      const { status, body } = await apply(object, query);
      assert.equal(status, 422);
      assert.match(body.message, /spec\.template\.spec: Forbidden: .*make another one/);
    }
    assert.equal((await apply(template(2, { note: "changed" }), "")).status, 200);
  });

  test("lets a pool lose hosts that are in use, with a warning", async () => {
    const hosts = [{ endpoint: "10.0.0.1:9090" }, { endpoint: "10.0.0.2:9090" }];
    await created(cluster("shrinking", { placement: { staticPool: { hosts } } }));
    const status = { hosts: [{ endpoint: "10.0.0.2:9090", state: "Reachable", microVms: 2 }] };
    await answers.ask("PATCH", `${path("v1beta2", "microvmclusters", "shrinking")}/status`, { status }, "merge");
    const removal = await answers.ask(
      "PATCH",
      path("v1beta2", "microvmclusters", "shrinking"),
      { spec: { placement: { staticPool: { hosts: hosts.slice(0, 1) } } } },
      "merge",
    );
    assert.equal(removal.status, 200);
    assert.match(removal.warnings.join(), /10\.0\.0\.2:9090 has 2 microVMs/);
  });

  test("keeps a cluster with the system that provisioned it", async () => {
    await created(cluster("managed", {}, { annotations: { "cluster.x-k8s.io/managed-by": "terraform" } }));
    const managed = path("v1beta2", "microvmclusters", "managed");
    await answers.ask("PATCH", `${managed}/status`, { status: { initialization: { provisioned: true } } }, "merge");
    const taken = await answers.ask(
      "PATCH",
      managed,
      { metadata: { annotations: { "cluster.x-k8s.io/managed-by": null } } },
      "merge",
    );
    assert.equal(taken.status, 422);
    assert.match(taken.body.message, /"terraform" has provisioned this cluster/);
  });

  test("merges lists item by item when two managers apply them, one of them in v1alpha1", async () => {
    const applied = (version: string, manager: string, spec: Json): Promise<Answer> =>
      answers.ask(
        "PATCH",
        `${path(version, "microvmclusters", "shared")}?fieldManager=${manager}`,
        {
          apiVersion: `infrastructure.cluster.x-k8s.io/${version}`,
          kind: "MicrovmCluster",
          metadata: { name: "shared" },
          spec,
        },
        "apply",
      );
    const user = await applied("v1alpha1", "user", {
      placement: { staticPool: { hosts: [{ endpoint: "10.0.0.1:9090", controlplaneAllowed: true }] } },
    });
    assert.equal(user.status, 201, user.body.message);
    const hosts = [{ endpoint: "10.0.0.1:9090", labels: { rack: "1" } }];
    const robot = await applied("v1beta2", "robot", { placement: { staticPool: { hosts } } });
    assert.equal(robot.status, 200, robot.body.message);
    const again = await applied("v1alpha1", "user", {
      tlsSecretRef: "tls",
      placement: { staticPool: { hosts: [{ endpoint: "10.0.0.1:9090", controlplaneAllowed: false }] } },
    });
    assert.equal(again.status, 200, again.body.message);
    const { spec, metadata } = await read("v1beta2", "microvmclusters", "shared");
    assert.deepEqual(spec.placement.staticPool.hosts, [
      { endpoint: "10.0.0.1:9090", controlPlaneAllowed: false, labels: { rack: "1" } },
    ]);
    assert.deepEqual(spec.hostAccess, { tlsSecretRef: { name: "tls" } });
    assert.equal(metadata.annotations?.["capmvm.liquidmetal.dev/conversion-data"], undefined);
  });

  test("shows what helps: tables of both versions, short names, one category", async () => {
    await created(
      cluster(
        "shown",
        { controlPlaneEndpoint: { host: "10.0.0.9", port: 6443 } },
        { labels: { "cluster.x-k8s.io/cluster-name": "demo" } },
      ),
    );
    const at = "2026-01-01T00:00:00Z";
    const condition = (type: string, status: string): Json => ({
      type,
      status,
      reason: "Some",
      message: "because",
      lastTransitionTime: at,
    });
    const status = {
      initialization: { provisioned: true },
      conditions: [condition("Ready", "False"), condition("Paused", "True")],
    };
    await answers.ask("PATCH", `${path("v1beta2", "microvmclusters", "shown")}/status`, { status }, "merge");
    const cells = async (version: string, plural: string, name: string): Promise<Json> => {
      const { body } = await answers.ask("GET", path(version, plural, name), undefined, "table");
      const names = body.columnDefinitions.map((column: Json) => column.name);
      return Object.fromEntries(body.rows[0].cells.map((cell: Json, index: number) => [names[index], cell]));
    };
    const { Age: _age, ...now } = await cells("v1beta2", "microvmclusters", "shown");
    assert.deepEqual(now, {
      Name: "shown",
      Cluster: "demo",
      Endpoint: "10.0.0.9",
      Provisioned: "true",
      Ready: "False",
      Reason: "because",
      Paused: "True",
    });
    assert.deepEqual(await cells("v1alpha1", "microvmclusters", "shown"), {
      Name: "shown",
      Cluster: "demo",
      Ready: "true",
      ControlPlaneEndpoint: "10.0.0.9",
    });
    await created(machine("shown", { providerID: "microvm://10.0.0.1:9090/01HX" }));
    const running = { failureDomain: "10.0.0.1:9090", vmState: "running", conditions: [condition("Ready", "True")] };
    await answers.ask("PATCH", `${path("v1beta2", "microvmmachines", "shown")}/status`, { status: running }, "merge");
    const { Host, State, Ready, ProviderID } = await cells("v1beta2", "microvmmachines", "shown");
    assert.deepEqual(
      [Host, State, Ready, ProviderID],
      ["10.0.0.1:9090", "running", "True", "microvm://10.0.0.1:9090/01HX"],
    );
    for (const short of ["mvmc", "mvmct", "mvmm", "mvmmp", "mvmmpt", "mvmmt", "cluster-api"])
      await server.kubectl(["get", short]);
    assert.match(await server.kubectl(["explain", "mvmc.spec.controlPlaneEndpoint"]), /Fixed once it is set/);
  });

  test("takes annotations up to the server's own limit, and tells with its words when it is passed", async () => {
    const note = (bytes: number): Json => cluster(`notes-${bytes}`, {}, { annotations: { note: "x".repeat(bytes) } });
    await created(note(250_000));
    const read1 = await read("v1alpha1", "microvmclusters", "notes-250000");
    assert.equal(read1.metadata.annotations.note.length, 250_000);
    const { status, body } = await create(note(1_048_576));
    assert.equal(status, 422);
    assert.match(body.message, /Too long: may not be more than 262144 bytes/);
  });
});

/** Without what the server and the webhook fill in: MACs and defaults. */
function withoutFilledIn(spec: Json): Json {
  const read = JSON.parse(JSON.stringify(spec), (key, value) =>
    key === "guestMac" || (key === "readOnly" && value === false) ? undefined : value,
  );
  return read;
}
