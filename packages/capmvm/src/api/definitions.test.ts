/** The CRDs say what upstream's said (v1alpha1), field by field, and what the contracts want (labels, names, subresources). */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { StructuralSchema } from "@liquidmetal/kubernetes";
import { crds } from "./definitions.ts";
import {
  type ConditionMeaning,
  clusterConditions,
  formatProviderId,
  machineConditions,
  machinePoolConditions,
  parseProviderId,
} from "./v1beta2/index.ts";

const definitions = crds();
const versionOf = (kind: string, name: string): (typeof definitions)[number]["spec"]["versions"][number] => {
  const found = definitions
    .find(({ spec }) => spec.names["kind"] === kind)
    ?.spec.versions.find((version) => version.name === name);
  assert.ok(found, `${kind} ${name}`);
  return found;
};

/** One line a field: path, type, `!` when required, default, bounds. */
function linesOf(schema: StructuralSchema, path = ""): string[] {
  const required = new Set(schema.required);
  return Object.entries(schema.properties ?? {}).flatMap(([name, one]) => {
    if (path === "" && ["apiVersion", "kind", "metadata"].includes(name)) return [];
    const { items, additionalProperties: values } = one;
    const at = `${path}${name}${items === undefined ? "" : "[]"}${values === undefined ? "" : "{}"}`;
    const [type, inner] = [items?.type ?? values?.type ?? one.type, items ?? values ?? one];
    const says = [
      required.has(name) ? "!" : "",
      one.default === undefined ? "" : ` =${JSON.stringify(one.default)}`,
      ...(["format", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems"] as const).map((key) =>
        one[key] === undefined ? "" : ` ${key}=${one[key]}`,
      ),
      one.enum === undefined ? "" : ` ${one.enum.join("|")}`,
    ];
    return [`${at} ${type}${says.join("")}`, ...linesOf(inner, `${at}.`)];
  });
}

const conditions = [
  "status.conditions[] object",
  "status.conditions[].type string! minLength=1 maxLength=256",
  "status.conditions[].status string!",
  "status.conditions[].severity string maxLength=32",
  "status.conditions[].reason string minLength=1 maxLength=256",
  "status.conditions[].message string minLength=1 maxLength=10240",
  "status.conditions[].lastTransitionTime string! format=date-time",
];
const volume = (at: string): string[] => [
  `${at}.id string!`,
  `${at}.image string`,
  `${at}.readOnly boolean =false`,
  `${at}.mountPoint string`,
  `${at}.virtiofsPath string`,
];
const keys = (at: string): string[] => [
  `${at}sshPublicKeys[] object`,
  `${at}sshPublicKeys[].user string!`,
  `${at}sshPublicKeys[].authorizedKeys[] string!`,
];
const machineSpec = (at: string): string[] => [
  `${at}provider string`,
  `${at}vcpu integer! format=int64 minimum=1`,
  `${at}memoryMb integer! format=int64 minimum=1024`,
  `${at}rootVolume object!`,
  ...volume(`${at}rootVolume`),
  `${at}volumes[] object`,
  ...volume(`${at}volumes[]`),
  `${at}kernel object!`,
  `${at}kernel.image string!`,
  `${at}kernel.filename string`,
  `${at}kernelCmdline{} string`,
  `${at}initrd object`,
  `${at}initrd.image string!`,
  `${at}initrd.filename string`,
  `${at}networkInterfaces[] object! minItems=1`,
  `${at}networkInterfaces[].guestDeviceName string!`,
  `${at}networkInterfaces[].guestMac string`,
  `${at}networkInterfaces[].type string! macvtap|tap`,
  `${at}networkInterfaces[].address string`,
  `${at}labels{} string`,
  ...keys(at),
  `${at}providerID string`,
];

describe("v1alpha1", () => {
  const upstreams: readonly (readonly [string, readonly string[]])[] = [
    [
      "MicrovmCluster",
      [
        "spec object",
        "spec.controlPlaneEndpoint object",
        "spec.controlPlaneEndpoint.host string! maxLength=512",
        "spec.controlPlaneEndpoint.port integer! format=int32",
        ...keys("spec."),
        "spec.placement object!",
        "spec.placement.staticPool object",
        "spec.placement.staticPool.hosts[] object! minItems=1",
        "spec.placement.staticPool.hosts[].endpoint string!",
        "spec.placement.staticPool.hosts[].name string",
        "spec.placement.staticPool.hosts[].controlplaneAllowed boolean! =true",
        "spec.placement.staticPool.basicAuthSecret string",
        "spec.microvmProxy object",
        "spec.microvmProxy.endpoint string!",
        "spec.tlsSecretRef string",
        "status object",
        "status.ready boolean =false",
        "status.failureDomains{} object",
        "status.failureDomains{}.controlPlane boolean",
        "status.failureDomains{}.attributes{} string",
        ...conditions,
      ],
    ],
    [
      "MicrovmMachine",
      [
        "spec object",
        ...machineSpec("spec."),
        "status object",
        "status.ready boolean =false",
        "status.vmState string",
        "status.addresses[] object",
        "status.addresses[].type string! Hostname|ExternalIP|InternalIP|ExternalDNS|InternalDNS",
        "status.addresses[].address string! minLength=1 maxLength=256",
        "status.failureReason string",
        "status.failureMessage string",
        ...conditions,
      ],
    ],
    [
      "MicrovmMachineTemplate",
      [
        "spec object",
        "spec.template object!",
        "spec.template.metadata object",
        "spec.template.metadata.labels{} string",
        "spec.template.metadata.annotations{} string",
        "spec.template.spec object!",
        ...machineSpec("spec.template.spec."),
      ],
    ],
  ];
  for (const [kind, lines] of upstreams) {
    test(`${kind} has upstream's fields, bounds, defaults and enumerations, and no other`, () => {
      const { schema } = versionOf(kind, "v1alpha1");
      assert.deepEqual(linesOf(schema.openAPIV3Schema).toSorted(), [...lines].toSorted());
    });
  }

  test("has upstream's subresources and columns, the endpoint's with a path that finds it", () => {
    const { additionalPrinterColumns: columns } = versionOf("MicrovmCluster", "v1alpha1");
    assert.deepEqual(
      (columns as { name: string; jsonPath: string; type: string; priority?: number }[]).map((one) => [
        one.name,
        one.jsonPath,
        one.type,
        one.priority ?? 0,
      ]),
      [
        ["Cluster", ".metadata.labels['cluster\\.x-k8s\\.io/cluster-name']", "string", 0],
        ["Ready", ".status.ready", "string", 0],
        ["ControlPlaneEndpoint", ".spec.controlPlaneEndpoint.host", "string", 1],
      ],
    );
    for (const kind of ["MicrovmMachine", "MicrovmMachineTemplate"]) {
      assert.equal(versionOf(kind, "v1alpha1")["additionalPrinterColumns"], undefined, kind);
    }
    const status = (kind: string): unknown => versionOf(kind, "v1alpha1")["subresources"];
    assert.deepEqual([status("MicrovmCluster"), status("MicrovmMachine")], [{ status: {} }, { status: {} }]);
    assert.equal(status("MicrovmMachineTemplate"), undefined);
  });

  test("is served with a word that it is old, and not stored", () => {
    for (const kind of ["MicrovmCluster", "MicrovmMachine", "MicrovmMachineTemplate"]) {
      const { served, storage, deprecated, deprecationWarning } = versionOf(kind, "v1alpha1");
      assert.deepEqual([served, storage, deprecated], [true, false, true]);
      assert.match(String(deprecationWarning), /use infrastructure\.cluster\.x-k8s\.io\/v1beta2/);
    }
  });
});

describe("the CRDs", () => {
  test("are six, namespaced, named as Cluster API computes it, with short names and its category", () => {
    assert.deepEqual(
      definitions.map(({ metadata, spec }) => [
        metadata.name,
        spec.scope,
        spec.names["shortNames"],
        spec.names["categories"],
      ]),
      [
        ["microvmclusters.infrastructure.cluster.x-k8s.io", "Namespaced", ["mvmc"], ["cluster-api"]],
        ["microvmclustertemplates.infrastructure.cluster.x-k8s.io", "Namespaced", ["mvmct"], ["cluster-api"]],
        ["microvmmachines.infrastructure.cluster.x-k8s.io", "Namespaced", ["mvmm"], ["cluster-api"]],
        ["microvmmachinepools.infrastructure.cluster.x-k8s.io", "Namespaced", ["mvmmp"], ["cluster-api"]],
        ["microvmmachinepooltemplates.infrastructure.cluster.x-k8s.io", "Namespaced", ["mvmmpt"], ["cluster-api"]],
        ["microvmmachinetemplates.infrastructure.cluster.x-k8s.io", "Namespaced", ["mvmmt"], ["cluster-api"]],
      ],
    );
    for (const { spec } of definitions) assert.equal(spec.names["listKind"], `${String(spec.names["kind"])}List`);
  });

  test("say by label which version speaks which contract, and convert where there are two", () => {
    for (const { metadata, spec } of definitions) {
      const two = spec.versions.length === 2;
      assert.deepEqual(metadata.labels, {
        "cluster.x-k8s.io/v1beta2": "v1beta2",
        ...(two ? { "cluster.x-k8s.io/v1beta1": "v1alpha1" } : {}),
      });
      assert.equal((spec.conversion as { strategy?: string } | undefined)?.strategy, two ? "Webhook" : undefined);
    }
  });

  test("bound what the contract bounds", () => {
    const lines = (kind: string): string[] => linesOf(versionOf(kind, "v1beta2").schema.openAPIV3Schema);
    for (const line of [
      "spec.controlPlaneEndpoint.host string! minLength=1 maxLength=512",
      "spec.controlPlaneEndpoint.port integer! format=int32 minimum=1 maximum=65535",
      "status.failureDomains[] object minItems=1 maxItems=100",
      "status.failureDomains[].name string! minLength=1 maxLength=256",
      "status.initialization.provisioned boolean",
      "status.conditions[] object maxItems=32",
    ]) {
      assert.ok(lines("MicrovmCluster").includes(line), line);
    }
    for (const line of [
      "spec.providerID string minLength=1 maxLength=512",
      "status.failureDomain string minLength=1 maxLength=256",
      "status.addresses[].address string! minLength=1 maxLength=256",
      "status.initialization.provisioned boolean",
      'spec.kernel.filename string ="boot/vmlinux" minLength=1 maxLength=4096',
    ]) {
      assert.ok(lines("MicrovmMachine").includes(line), line);
    }
    const template = lines("MicrovmMachineTemplate");
    for (const line of ["status.capacity{} string", "status.nodeInfo.architecture string amd64|arm64|s390x|ppc64le"]) {
      assert.ok(template.includes(line), line);
    }
    const pool = lines("MicrovmMachinePool");
    for (const line of [
      "spec.providerIDList[] string maxItems=10000",
      "status.replicas integer format=int32 minimum=0",
    ]) {
      assert.ok(pool.includes(line), line);
    }
    for (const kind of ["MicrovmClusterTemplate", "MicrovmMachinePoolTemplate"]) {
      assert.equal(versionOf(kind, "v1beta2")["subresources"], undefined, kind);
    }
    const { properties } = versionOf("MicrovmCluster", "v1beta2").schema.openAPIV3Schema;
    assert.equal(properties?.["status"]?.properties?.["initialization"]?.minProperties, 1);
  });
});

describe("conditions", () => {
  const all = { ...clusterConditions, ...machineConditions, ...machinePoolConditions };
  for (const [type, { means, reasons }] of Object.entries<ConditionMeaning>(all)) {
    test(`${type} and its reasons are in CamelCase and explained`, () => {
      for (const name of [type, ...Object.keys(reasons)]) assert.match(name, /^[A-Z][A-Za-z]+$/);
      for (const text of [means, ...Object.values(reasons)]) assert.match(text, /^[A-Z].*\.$/);
    });
  }

  test("are on every kind Ready, Paused and Deleting", () => {
    for (const table of [clusterConditions, machineConditions, machinePoolConditions]) {
      for (const type of ["Ready", "Paused", "Deleting"]) assert.ok(Object.hasOwn(table, type), type);
    }
  });
});

describe("provider ids", () => {
  test("read back, IPv6 included; what is none is undefined", () => {
    for (const endpoint of ["10.0.0.1:9090", "[fd00::1]:9090", "host.example:9090"]) {
      const id = formatProviderId({ endpoint, uid: "01HX" });
      assert.equal(id, `microvm://${endpoint}/01HX`);
      assert.deepEqual(parseProviderId(id), { endpoint, uid: "01HX" });
    }
    for (const text of [
      "",
      "microvm://",
      "microvm://a:1",
      "microvm://a:1/",
      "microvm:///x",
      "aws:///z/i",
      "microvm://a:1/b/c",
    ]) {
      assert.equal(parseProviderId(text), undefined, text);
    }
  });
});
