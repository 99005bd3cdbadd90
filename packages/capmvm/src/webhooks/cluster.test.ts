import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { AdmissionVerdict } from "@liquidmetal/kubernetes";
import type { MicrovmCluster, MicrovmClusterSpec, MicrovmClusterTemplate, MicrovmHost } from "../api/index.ts";
import { validateMicrovmCluster, validateMicrovmClusterTemplate } from "./microvm-cluster.ts";

const host = (endpoint: string, controlPlaneAllowed = true): MicrovmHost => ({ endpoint, controlPlaneAllowed });
const pool = (...endpoints: string[]): Pick<MicrovmClusterSpec, "placement"> => ({
  placement: { staticPool: { hosts: endpoints.map((endpoint) => host(endpoint)) } },
});
const cluster = (changed: Partial<MicrovmClusterSpec> = {}, rest: Partial<MicrovmCluster> = {}): MicrovmCluster => ({
  metadata: { name: "c", namespace: "n" },
  spec: { ...pool("10.0.0.1:9090"), ...changed },
  ...rest,
});
const errorsOf = (verdict: AdmissionVerdict | undefined): string[] =>
  (verdict?.errors ?? []).map(({ field, type }) => `${field} ${type.replace("FieldValue", "")}`);
const warningsOf = (verdict: AdmissionVerdict | undefined): string => (verdict?.warnings ?? []).join("\n");
const hosts = "spec.placement.staticPool.hosts";

describe("a new MicrovmCluster", () => {
  const accepted: readonly (readonly [string, Partial<MicrovmClusterSpec>])[] = [
    ["a host and no endpoint", {}],
    ["hosts by name, IPv4 and bracketed IPv6", pool("host.example:9090", "10.0.0.1:9090", "[fd00::1]:9090")],
    ["an endpoint", { controlPlaneEndpoint: { host: "10.0.0.250", port: 6443 } }],
    ["an IPv6 endpoint", { controlPlaneEndpoint: { host: "fd00::250", port: 6443 } }],
    ["an endpoint by name", { controlPlaneEndpoint: { host: "api.demo.example", port: 443 } }],
    [
      "addresses",
      { controlPlaneAddressPool: { addresses: ["10.0.0.240-10.0.0.250", "10.1.0.0/28", "fd00::1"], port: 6443 } },
    ],
    [
      "a pool of an IPAM provider",
      { controlPlaneAddressPool: { poolRef: { apiGroup: "ipam.example", kind: "Pool", name: "p" }, port: 6443 } },
    ],
    ["a proxy", { hostAccess: { proxy: { url: "http://10.0.0.5:3128" } } }],
  ];
  for (const [what, changed] of accepted) {
    test(`is let in with ${what}`, () =>
      assert.deepEqual(validateMicrovmCluster(cluster(changed), undefined), { errors: [], warnings: [] }));
  }

  const refused: readonly (readonly [string, Partial<MicrovmClusterSpec>, readonly string[]])[] = [
    ["no host", pool(), [`${hosts} Required`]],
    ["no pool", { placement: {} } as never, ["spec.placement.staticPool Required"]],
    ["no placement", { placement: undefined } as never, ["spec.placement Required"]],
    ["a host without port", pool("10.0.0.1"), [`${hosts}[0].endpoint Invalid`]],
    ["a host with a scheme", pool("http://10.0.0.1:9090"), [`${hosts}[0].endpoint Invalid`]],
    ["an IPv6 host without brackets", pool("fd00::1:9090"), [`${hosts}[0].endpoint Invalid`]],
    ["a port beyond 65535", pool("10.0.0.1:70000"), [`${hosts}[0].endpoint Invalid`]],
    ["a host twice", pool("10.0.0.1:9090", "10.0.0.1:9090"), [`${hosts}[1].endpoint Duplicate`]],
    [
      "a host twice, spelled differently",
      pool("[fd00::1]:9090", "[fd00:0:0::1]:9090", "A.example:1", "a.example:1"),
      [`${hosts}[1].endpoint Duplicate`, `${hosts}[3].endpoint Duplicate`],
    ],
    [
      "an endpoint in brackets",
      { controlPlaneEndpoint: { host: "[fd00::1]", port: 6443 } },
      ["spec.controlPlaneEndpoint.host Invalid"],
    ],
    [
      "an endpoint with its port in the host",
      { controlPlaneEndpoint: { host: "10.0.0.250:6443", port: 6443 } },
      ["spec.controlPlaneEndpoint.host Invalid"],
    ],
    [
      "an endpoint with port 0",
      { controlPlaneEndpoint: { host: "10.0.0.250", port: 0 } },
      ["spec.controlPlaneEndpoint.port Invalid"],
    ],
    ["a pool of nothing", { controlPlaneAddressPool: { port: 6443 } }, ["spec.controlPlaneAddressPool Invalid"]],
    [
      "both kinds of pool",
      {
        controlPlaneAddressPool: {
          addresses: ["10.0.0.1"],
          poolRef: { apiGroup: "a", kind: "b", name: "c" },
          port: 6443,
        },
      },
      ["spec.controlPlaneAddressPool Invalid"],
    ],
    [
      "a range backwards",
      { controlPlaneAddressPool: { addresses: ["10.0.0.1", "10.0.0.9-10.0.0.2"], port: 6443 } },
      ["spec.controlPlaneAddressPool.addresses[1] Invalid"],
    ],
    [
      "ranges that overlap",
      { controlPlaneAddressPool: { addresses: ["10.0.0.0/24", "10.0.0.9"], port: 6443 } },
      ["spec.controlPlaneAddressPool.addresses[1] Invalid"],
    ],
    [
      "a proxy without scheme",
      { hostAccess: { proxy: { url: "10.0.0.5:3128" } } },
      ["spec.hostAccess.proxy.url Invalid"],
    ],
  ];
  for (const [what, changed, errors] of refused) {
    test(`is refused with ${what}`, () =>
      assert.deepEqual(errorsOf(validateMicrovmCluster(cluster(changed), undefined)), errors));
  }

  test("says what is wrong, why, and what to write instead", () => {
    const [error] = validateMicrovmCluster(cluster(pool("fd00::1:9090")), undefined)?.errors ?? [];
    assert.equal(
      error?.message,
      '"fd00::1:9090" is no host:port; write it as in 10.0.0.1:9090, host.example:9090 or [fd00::1]:9090',
    );
  });

  test("is warned of tokens in clear text, of passwords in the proxy, and of a pool without control planes", () => {
    const spec = {
      placement: { staticPool: { hosts: [host("10.0.0.1:9090", false)] } },
      hostAccess: { tokenSecretRef: { name: "t" }, proxy: { url: "http://me:secret@10.0.0.5:3128" } },
    };
    const verdict = validateMicrovmCluster(cluster(spec), undefined);
    assert.deepEqual(errorsOf(verdict), []);
    assert.match(warningsOf(verdict), /no host may run control planes[\s\S]*holds a password[\s\S]*clear text/);
    assert.doesNotMatch(warningsOf(verdict), /secret@/);
  });
});

describe("a MicrovmCluster that is changed", () => {
  const endpoint = { host: "10.0.0.250", port: 6_443 };

  test("may get its endpoint, and keeps it then", () => {
    const [without, with_] = [cluster(), cluster({ controlPlaneEndpoint: endpoint })];
    assert.deepEqual(errorsOf(validateMicrovmCluster(with_, without)), []);
    const other = cluster({ controlPlaneEndpoint: { ...endpoint, host: "10.0.0.251" } });
    assert.deepEqual(errorsOf(validateMicrovmCluster(other, with_)), ["spec.controlPlaneEndpoint Forbidden"]);
    assert.deepEqual(errorsOf(validateMicrovmCluster(without, with_)), ["spec.controlPlaneEndpoint Forbidden"]);
  });

  test("may lose a host that is in use, with a warning that names it", () => {
    const old = cluster(pool("10.0.0.1:9090", "10.0.0.2:9090", "10.0.0.3:9090"), {
      status: {
        hosts: [
          { endpoint: "10.0.0.1:9090", state: "Reachable", microVms: 1 },
          { endpoint: "10.0.0.2:9090", state: "Reachable", microVms: 3 },
          { endpoint: "10.0.0.3:9090", state: "Reachable", microVms: 0 },
        ],
      },
    });
    const verdict = validateMicrovmCluster(cluster(), old);
    assert.deepEqual(errorsOf(verdict), []);
    assert.equal(verdict?.warnings?.length, 1);
    assert.match(warningsOf(verdict), /10\.0\.0\.2:9090 has 3 microVMs of this cluster/);
  });

  test("may not be taken from the system that provisioned it", () => {
    const managed = { annotations: { "cluster.x-k8s.io/managed-by": "terraform" } };
    const status = { initialization: { provisioned: true } };
    const old = cluster({}, { metadata: managed, status });
    assert.deepEqual(errorsOf(validateMicrovmCluster(cluster({}, { status }), old)), [
      "metadata.annotations[cluster.x-k8s.io/managed-by] Forbidden",
    ]);
    const renamed = cluster({}, { metadata: { annotations: { "cluster.x-k8s.io/managed-by": "pulumi" } } });
    assert.deepEqual(errorsOf(validateMicrovmCluster(renamed, old)), []);
    assert.deepEqual(errorsOf(validateMicrovmCluster(cluster(), cluster({}, { metadata: managed }))), []);
  });

  test("may be finalised whatever its spec is: it was stored before the rule", () => {
    const old = cluster(pool("no port"), { metadata: { finalizers: ["a"] } });
    assert.deepEqual(validateMicrovmCluster(cluster(pool("no port")), old), { errors: [], warnings: [] });
  });
});

describe("MicrovmClusterTemplate", () => {
  const template = (...endpoints: string[]): MicrovmClusterTemplate => ({
    kind: "MicrovmClusterTemplate",
    spec: { template: { spec: { ...pool(...endpoints) } } },
  });

  test("is checked like a cluster, and fixed but for metadata", () => {
    const plain = { dryRun: false };
    assert.deepEqual(errorsOf(validateMicrovmClusterTemplate(template("no port"), undefined, plain)), [
      "spec.template.spec.placement.staticPool.hosts[0].endpoint Invalid",
    ]);
    assert.deepEqual(errorsOf(validateMicrovmClusterTemplate(template("b:1"), template("a:1"), plain)), [
      "spec.template.spec Forbidden",
    ]);
    const annotated = { ...template("b:1"), metadata: { annotations: { "topology.cluster.x-k8s.io/dry-run": "" } } };
    assert.deepEqual(errorsOf(validateMicrovmClusterTemplate(annotated, template("a:1"), { dryRun: true })), []);
  });
});
