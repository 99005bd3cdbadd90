/** What the two versions call the same thing, and who wins when both sides write. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Condition, KubernetesObject } from "@liquidmetal/kubernetes";
import type {
  MicrovmClusterV1alpha1,
  MicrovmMachineTemplateV1alpha1,
  MicrovmMachineV1alpha1,
} from "../v1alpha1/index.ts";
import {
  annotations,
  type MicrovmCluster,
  type MicrovmMachine,
  type MicrovmMachineTemplate,
} from "../v1beta2/index.ts";
import { convertObject } from "./convert.ts";

const [old, now] = ["infrastructure.cluster.x-k8s.io/v1alpha1", "infrastructure.cluster.x-k8s.io/v1beta2"];
const toOld = <T extends KubernetesObject>(object: KubernetesObject): T =>
  convertObject<KubernetesObject>(object, old) as T;
const toNow = <T extends KubernetesObject>(object: KubernetesObject): T =>
  convertObject<KubernetesObject>(object, now) as T;
const at = "2026-01-01T00:00:00Z";
const condition = (type: string, status: Condition["status"], reason: string, message = ""): Condition => ({
  type,
  status,
  reason,
  message,
  lastTransitionTime: at,
});

const cluster: MicrovmCluster = {
  apiVersion: now,
  kind: "MicrovmCluster",
  metadata: { name: "c", namespace: "n", uid: "u", resourceVersion: "7", finalizers: ["f"], labels: { l: "1" } },
  spec: {
    controlPlaneEndpoint: { host: "10.0.0.250", port: 6_443 },
    controlPlaneAddressPool: { addresses: ["10.0.0.240-10.0.0.250"], port: 6_443 },
    placement: {
      staticPool: {
        hosts: [
          { endpoint: "10.0.0.2:9090", controlPlaneAllowed: false, labels: { rack: "2" } },
          { endpoint: "10.0.0.1:9090", controlPlaneAllowed: true, name: "a" },
        ],
      },
    },
    hostAccess: { tlsSecretRef: { name: "tls" }, tokenSecretRef: { name: "tokens" }, proxy: { url: "http://p:1" } },
  },
  status: {
    initialization: { provisioned: true },
    failureDomains: [
      { name: "10.0.0.2:9090", controlPlane: false },
      { name: "10.0.0.1:9090", controlPlane: true, attributes: { free: "4" } },
    ],
    hosts: [{ endpoint: "10.0.0.1:9090", state: "Reachable", microVms: 3 }],
    conditions: [
      condition("Ready", "False", "NotReady", "ControlPlaneReachable: nobody answers"),
      condition("Paused", "False", "NotPaused"),
      condition("ControlPlaneReachable", "False", "NoNodes", "nobody answers"),
    ],
  },
};
const machine: MicrovmMachine = {
  apiVersion: now,
  kind: "MicrovmMachine",
  metadata: { name: "m", namespace: "n" },
  spec: {
    vcpu: 2,
    memoryMiB: 2_048,
    rootVolume: { id: "root", image: "os", readOnly: false, sizeMiB: 10_240 },
    additionalVolumes: [{ id: "data", image: "d", readOnly: true, sizeMiB: 5, mountPoint: "/d" }],
    kernel: { image: "k", filename: "boot/vmlinux", cmdline: { quiet: "" } },
    networkInterfaces: [
      { guestDeviceName: "eth1", type: "tap", address: "10.0.0.5/24", gateway: "10.0.0.1", bridge: "br0" },
    ],
    hostSelector: { matchLabels: { zone: "a" } },
    providerID: "microvm://10.0.0.1:9090/01HX",
  },
  status: {
    initialization: { provisioned: true },
    failureDomain: "10.0.0.1:9090",
    vmState: "stopped",
    addresses: [{ type: "InternalIP", address: "10.0.0.5" }],
    conditions: [
      condition("VMProvisioned", "False", "NotRunning", "its process ended"),
      condition("Ready", "False", "NotReady", "VMProvisioned: its process ended"),
    ],
  },
};

describe("MicrovmCluster as v1alpha1", () => {
  const { metadata, spec, status } = toOld<MicrovmClusterV1alpha1>(cluster);

  test("has upstream's names and shapes", () => {
    assert.deepEqual(spec, {
      controlPlaneEndpoint: { host: "10.0.0.250", port: 6_443 },
      placement: {
        staticPool: {
          hosts: [
            { endpoint: "10.0.0.2:9090", controlplaneAllowed: false },
            { endpoint: "10.0.0.1:9090", controlplaneAllowed: true, name: "a" },
          ],
          basicAuthSecret: "tokens",
        },
      },
      microvmProxy: { endpoint: "http://p:1" },
      tlsSecretRef: "tls",
    });
    assert.equal(status?.ready, true);
    assert.deepEqual(status?.failureDomains, {
      "10.0.0.1:9090": { controlPlane: true, attributes: { free: "4" } },
      "10.0.0.2:9090": {},
    });
  });

  test("has conditions with severity, by upstream's types and reasons; Ready repeats what it sums up", () => {
    assert.deepEqual(status?.conditions, [
      {
        type: "Ready",
        status: "False",
        severity: "Info",
        reason: "LoadBalancerNotAvailable",
        message: "ControlPlaneReachable: nobody answers",
        lastTransitionTime: at,
      },
      { type: "Paused", status: "False", severity: "Info", reason: "NotPaused", lastTransitionTime: at },
      {
        type: "LoadBalancerAvailable",
        status: "False",
        severity: "Info",
        reason: "LoadBalancerNotAvailable",
        message: "nobody answers",
        lastTransitionTime: at,
      },
    ]);
  });

  test("keeps metadata but for the one annotation", () => {
    const { annotations: notes, ...rest } = metadata ?? {};
    assert.deepEqual(rest, cluster.metadata);
    assert.deepEqual(Object.keys(notes ?? {}), [annotations.conversionData]);
  });
});

describe("MicrovmMachine as v1alpha1", () => {
  test("has upstream's names; what is provisioned and no longer runs has failed", () => {
    const { spec, status } = toOld<MicrovmMachineV1alpha1>(machine);
    assert.deepEqual(spec, {
      vcpu: 2,
      memoryMb: 2_048,
      rootVolume: { id: "root", image: "os", readOnly: false },
      volumes: [{ id: "data", image: "d", readOnly: true, mountPoint: "/d" }],
      kernel: { image: "k", filename: "boot/vmlinux" },
      kernelCmdline: { quiet: "" },
      networkInterfaces: [{ guestDeviceName: "eth1", type: "tap", address: "10.0.0.5/24" }],
      providerID: "microvm://10.0.0.1:9090/01HX",
    });
    assert.equal(status?.vmState, "failed");
    assert.deepEqual(status?.conditions?.[0], {
      type: "MicrovmReady",
      status: "False",
      severity: "Error",
      reason: "MicrovmProvisionFailed",
      message: "its process ended",
      lastTransitionTime: at,
    });
  });

  const reasons = [
    ["WaitingForClusterInfrastructure", "WaitingForClusterInfra", "Info"],
    ["WaitingForBootstrapData", "WaitingForBoostrapData", "Info"],
    ["Pending", "MicrovmPending", "Info"],
    ["CreateFailed", "MicrovmProvisionFailed", "Error"],
    ["Vanished", "MicrovmProvisionFailed", "Error"],
    ["UnknownState", "MicrovmUnknownState", "Error"],
    ["Deleting", "MicrovmDeleting", "Info"],
    ["DeleteFailed", "MicrovmDeleteFailed", "Error"],
    ["NoHostFits", "NoHostFits", "Warning"],
  ] as const;
  for (const [reason, upstreams, severity] of reasons) {
    test(`says ${upstreams} (${severity}) for ${reason}, and comes back as ${reason}`, () => {
      const stored = { ...machine, status: { conditions: [condition("VMProvisioned", "False", reason, "why")] } };
      const read = toOld<MicrovmMachineV1alpha1>(stored);
      const [found] = read.status?.conditions ?? [];
      assert.deepEqual([found?.type, found?.reason, found?.severity], ["MicrovmReady", upstreams, severity]);
      assert.deepEqual(toNow(read), stored);
    });
  }

  test("is bare when True", () => {
    const stored = {
      ...machine,
      status: { conditions: [condition("VMProvisioned", "True", "Provisioned", "since noon")] },
    };
    const read = toOld<MicrovmMachineV1alpha1>(stored);
    assert.deepEqual(read.status?.conditions, [{ type: "MicrovmReady", status: "True", lastTransitionTime: at }]);
    assert.deepEqual(toNow(read), stored);
  });
});

describe("an edit in v1alpha1", () => {
  test("of a cluster wins, and what v1alpha1 cannot say stays", () => {
    const read = toOld<MicrovmClusterV1alpha1>(cluster);
    const hosts = read.spec?.placement.staticPool?.hosts ?? [];
    const edited: MicrovmClusterV1alpha1 = {
      ...read,
      spec: {
        tlsSecretRef: "other-tls",
        placement: {
          staticPool: { hosts: [{ endpoint: "10.0.0.9:9090", controlplaneAllowed: true }, ...hosts.slice(0, 1)] },
        },
      },
    };
    const { spec, metadata } = toNow<MicrovmCluster>(edited);
    assert.deepEqual(spec.placement.staticPool.hosts, [
      { endpoint: "10.0.0.9:9090", controlPlaneAllowed: true },
      { endpoint: "10.0.0.2:9090", controlPlaneAllowed: false, labels: { rack: "2" } },
    ]);
    assert.deepEqual(spec.hostAccess, { tlsSecretRef: { name: "other-tls" } });
    assert.equal(spec.controlPlaneEndpoint, undefined);
    assert.deepEqual(spec.controlPlaneAddressPool, cluster.spec.controlPlaneAddressPool);
    assert.equal(metadata?.annotations?.[annotations.conversionData], undefined);
  });

  test("of a machine's state and conditions wins, also where two states have one name", () => {
    const read = toOld<MicrovmMachineV1alpha1>(machine);
    const unedited = toNow<MicrovmMachine>(read);
    assert.equal(unedited.status?.vmState, "stopped");
    const edited = { ...read, status: { ...read.status, vmState: "running", ready: false } };
    const { status } = toNow<MicrovmMachine>(edited);
    assert.equal(status?.vmState, "running");
    assert.equal(status?.initialization, undefined);
    assert.equal(status?.failureDomain, "10.0.0.1:9090");
  });

  test("of a template wins, and its capacity stays", () => {
    const { spec, status } = { spec: { template: { spec: machine.spec } }, status: { capacity: { cpu: "2" } } };
    const stored: MicrovmMachineTemplate = {
      apiVersion: now,
      kind: "MicrovmMachineTemplate",
      metadata: {},
      spec,
      status,
    };
    const read = toOld<MicrovmMachineTemplateV1alpha1>(stored);
    const edited = structuredClone(read) as { spec: { template: { spec: { memoryMb: number } } } };
    edited.spec.template.spec.memoryMb = 4_096;
    const { spec: after, status: kept } = toNow<MicrovmMachineTemplate>(edited as KubernetesObject);
    assert.equal(after.template.spec.memoryMiB, 4_096);
    assert.equal(after.template.spec.rootVolume.sizeMiB, 10_240);
    assert.deepEqual(kept, { capacity: { cpu: "2" } });
  });

  test("without the annotation loses only what v1alpha1 cannot say", () => {
    const { metadata: _gone, ...read } = toOld<MicrovmMachineV1alpha1>(machine);
    const { spec } = toNow<MicrovmMachine>({ ...read, metadata: { name: "m" } });
    assert.equal(spec.rootVolume.sizeMiB, undefined);
    assert.deepEqual(spec.providerID, machine.spec.providerID);
  });
});

describe("upstream's zero values", () => {
  test("for an endpoint that nobody gave are no endpoint, and come back", () => {
    const given = {
      apiVersion: old,
      kind: "MicrovmCluster",
      metadata: { name: "c" },
      spec: {
        controlPlaneEndpoint: { host: "", port: 0 },
        placement: { staticPool: { hosts: [{ endpoint: "a:1", controlplaneAllowed: true }] } },
      },
    };
    const stored = toNow<MicrovmCluster>(given);
    assert.equal(stored.spec.controlPlaneEndpoint, undefined);
    assert.deepEqual(toOld(stored), given);
    const decided = { ...stored, spec: { ...stored.spec, controlPlaneEndpoint: { host: "10.0.0.9", port: 6_443 } } };
    assert.deepEqual(toOld<MicrovmClusterV1alpha1>(decided).spec?.controlPlaneEndpoint, {
      host: "10.0.0.9",
      port: 6_443,
    });
  });
});

describe("what cannot be converted", () => {
  test("is another group, another version, or a kind that has one version only", () => {
    const said = (object: KubernetesObject, to: string): void => void convertObject(object, to);
    assert.throws(
      () => said({ ...cluster, apiVersion: "x/v1" }, now),
      /MicrovmCluster n\/c cannot be converted: apiVersion x\/v1/,
    );
    assert.throws(() => said(cluster, "infrastructure.cluster.x-k8s.io/v1"), /none of/);
    assert.throws(() => said({ ...cluster, kind: "MicrovmMachinePool" }, old), /no other version/);
  });

  test("is never an object of ours, whatever is missing in it: one must not keep a list from being read", () => {
    for (const content of [
      {},
      { spec: {} },
      { spec: { template: {} } },
      { spec: { placement: 7 }, status: { conditions: 7 } },
    ]) {
      for (const kind of ["MicrovmCluster", "MicrovmMachine", "MicrovmMachineTemplate"]) {
        const broken = { apiVersion: now, kind, metadata: { name: "b" }, ...content } as KubernetesObject;
        assert.doesNotThrow(() => toNow(toOld(broken)), kind);
      }
    }
  });
});
