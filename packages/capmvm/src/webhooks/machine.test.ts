import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { AdmissionVerdict } from "@liquidmetal/kubernetes";
import type { MicrovmMachine, MicrovmMachineSpec, MicrovmMachineTemplate } from "../api/index.ts";
import {
  validateMicrovmMachinePool,
  validateMicrovmMachinePoolTemplate,
  validateMicrovmMachineTemplate,
} from "./machine-templates.ts";
import { defaultMicrovmMachine, validateMicrovmMachine } from "./microvm-machine.ts";
import { withoutNulls } from "./nulls.ts";

const spec: MicrovmMachineSpec = {
  vcpu: 2,
  memoryMiB: 2_048,
  rootVolume: { id: "root", image: "registry.example/os:1", readOnly: false },
  kernel: { image: "registry.example/kernel:6.12", filename: "boot/vmlinux" },
  networkInterfaces: [{ guestDeviceName: "eth1", type: "tap", guestMac: "02:00:00:00:00:01" }],
};
const eth1 = { guestDeviceName: "eth1", type: "tap" } as const;
const machine = (changed: Partial<MicrovmMachineSpec> = {}, metadata: object = {}): MicrovmMachine => ({
  metadata: { name: "m", namespace: "n", ...metadata },
  spec: { ...spec, ...changed },
});
const template = (changed: Partial<MicrovmMachineSpec> = {}, metadata: object = {}): MicrovmMachineTemplate => ({
  kind: "MicrovmMachineTemplate",
  metadata: { name: "t", ...metadata },
  spec: { template: { spec: { ...spec, networkInterfaces: [eth1], ...changed } } },
});

/** "path type" of every error. */
const errorsOf = (verdict: AdmissionVerdict | undefined): string[] =>
  (verdict?.errors ?? []).map(({ field, type }) => `${field} ${type.replace("FieldValue", "")}`);
const warningsOf = (verdict: AdmissionVerdict | undefined): string => (verdict?.warnings ?? []).join("\n");

describe("a new MicrovmMachine", () => {
  test("gets a MAC for every interface that has none", () => {
    let made = 0;
    const macOf = (device: string): string => `02:00:00:00:00:0${++made} ${device}`;
    const interfaces = [eth1, { ...eth1, guestDeviceName: "eth2", guestMac: "" }, { ...eth1, guestMac: "kept" }];
    const { spec: complete } = defaultMicrovmMachine(
      machine({ networkInterfaces: interfaces }),
      { operation: "CREATE" },
      macOf,
    );
    assert.deepEqual(
      complete.networkInterfaces.map(({ guestMac }) => guestMac),
      ["02:00:00:00:00:01 eth1", "02:00:00:00:00:02 eth2", "kept"],
    );
  });

  test("is left as it is when it makes no sense: the schema speaks later", () => {
    for (const odd of [
      undefined,
      {},
      { networkInterfaces: 7 },
      { networkInterfaces: [null, "eth1", { guestDeviceName: 1 }] },
    ]) {
      const given = { metadata: {}, spec: odd } as unknown as MicrovmMachine;
      assert.deepEqual(
        defaultMicrovmMachine(given, { operation: "CREATE" }, () => "mac"),
        given,
      );
    }
  });

  test("is let in when it is well formed, also with a provider id: clusterctl move makes it so", () => {
    assert.deepEqual(validateMicrovmMachine(machine(), undefined), { errors: [], warnings: [] });
    const moved = machine({ providerID: "microvm://[fd00::1]:9090/01HX" });
    assert.deepEqual(validateMicrovmMachine(moved, undefined), { errors: [], warnings: [] });
  });

  const refused: readonly (readonly [string, Partial<MicrovmMachineSpec>, readonly string[]])[] = [
    ["no root image", { rootVolume: { id: "root", readOnly: false } }, ["spec.rootVolume.image Required"]],
    [
      "a volume id twice",
      { additionalVolumes: [{ id: "root", image: "a", readOnly: false }] },
      ["spec.additionalVolumes[0].id Duplicate"],
    ],
    [
      "a volume of nothing",
      { additionalVolumes: [{ id: "a", readOnly: false }] },
      ["spec.additionalVolumes[0] Required"],
    ],
    [
      "two virtiofs volumes",
      {
        additionalVolumes: [
          { id: "a", virtiofsPath: "/a", readOnly: false },
          { id: "b", virtiofsPath: "/b", readOnly: false },
        ],
      },
      ["spec.additionalVolumes Invalid"],
    ],
    [
      "a relative mount point",
      { additionalVolumes: [{ id: "a", image: "a", mountPoint: "lib", readOnly: false }] },
      ["spec.additionalVolumes[0].mountPoint Invalid"],
    ],
    [
      "a device name with a slash",
      { networkInterfaces: [{ ...eth1, guestDeviceName: "a/b" }] },
      ["spec.networkInterfaces[0].guestDeviceName Invalid"],
    ],
    [
      "a device name with an @",
      { networkInterfaces: [{ ...eth1, guestDeviceName: "a@b" }] },
      ["spec.networkInterfaces[0].guestDeviceName Invalid"],
    ],
    [
      "a device name twice",
      { networkInterfaces: [eth1, eth1] },
      ["spec.networkInterfaces[1].guestDeviceName Duplicate"],
    ],
    [
      "a MAC twice, spelled differently",
      {
        networkInterfaces: [
          { ...eth1, guestMac: "02-00-00-00-00-0A" },
          { ...eth1, guestDeviceName: "eth2", guestMac: "02:00:00:00:00:0a" },
        ],
      },
      ["spec.networkInterfaces[1].guestMac Duplicate"],
    ],
    [
      "a MAC that is none",
      { networkInterfaces: [{ ...eth1, guestMac: "02:00" }] },
      ["spec.networkInterfaces[0].guestMac Invalid"],
    ],
    [
      "a group MAC",
      { networkInterfaces: [{ ...eth1, guestMac: "01:00:00:00:00:01" }] },
      ["spec.networkInterfaces[0].guestMac Invalid"],
    ],
    [
      "an address without prefix",
      { networkInterfaces: [{ ...eth1, address: "10.0.0.5" }] },
      ["spec.networkInterfaces[0].address Invalid"],
    ],
    [
      "a prefix too long",
      { networkInterfaces: [{ ...eth1, address: "10.0.0.5/33" }] },
      ["spec.networkInterfaces[0].address Invalid"],
    ],
    [
      "a gateway alone",
      { networkInterfaces: [{ ...eth1, gateway: "10.0.0.1" }] },
      ["spec.networkInterfaces[0].address Required"],
    ],
    [
      "a gateway of the other family",
      { networkInterfaces: [{ ...eth1, address: "10.0.0.5/24", gateway: "fd00::1" }] },
      ["spec.networkInterfaces[0].gateway Invalid"],
    ],
    [
      "a name server by name",
      { networkInterfaces: [{ ...eth1, address: "10.0.0.5/24", nameservers: ["dns.example"] }] },
      ["spec.networkInterfaces[0].nameservers[0] Invalid"],
    ],
    ["an image with a space", { kernel: { image: "a b", filename: "x" } }, ["spec.kernel.image Invalid"]],
    ["a provider id of another kind", { providerID: "aws:///zone/i-1" }, ["spec.providerID Invalid"]],
    ["a provider id without port", { providerID: "microvm://10.0.0.1/01HX" }, ["spec.providerID Invalid"]],
    ["what the stored version has no room for", { vcpu: 5_000 }, ["spec.vcpu Invalid"]],
  ];
  for (const [what, changed, errors] of refused) {
    test(`is refused with ${what}`, () =>
      assert.deepEqual(errorsOf(validateMicrovmMachine(machine(changed), undefined)), errors));
  }

  test("beyond the limits of upstream's flintlock is worth a warning: hosts may allow more", () => {
    const verdict = validateMicrovmMachine(machine({ vcpu: 65, memoryMiB: 65_536 }), undefined);
    assert.deepEqual(errorsOf(verdict), []);
    assert.match(warningsOf(verdict), /spec\.vcpu: 65 .*\(64\)\nspec\.memoryMiB: 65536 .*1024 to 32768/);
    assert.match(warningsOf(validateMicrovmMachine(machine({ memoryMiB: 512 }), undefined)), /memoryMiB: 512/);
  });

  test("with macvtap on Firecracker, or with eth0, is let in with a warning", () => {
    const interfaces = [{ guestDeviceName: "eth0", type: "macvtap" } as const];
    const verdict = validateMicrovmMachine(
      machine({ provider: "firecracker", networkInterfaces: interfaces }),
      undefined,
    );
    assert.deepEqual(errorsOf(verdict), []);
    assert.match(warningsOf(verdict), /eth0 takes the place[\s\S]*Firecracker as it is released has no macvtap/);
  });
});

describe("fields that are null", () => {
  test("are left out, wherever in the spec they stand; without any nothing is made anew", () => {
    const given = machine({ initrd: null, networkInterfaces: [{ ...eth1, bridge: null }, eth1] } as never);
    assert.deepEqual(withoutNulls(given).spec, { ...spec, networkInterfaces: [eth1, eth1] });
    const whole = machine();
    assert.equal(withoutNulls(whole), whole);
    for (const odd of [undefined, null, 7, [], [null]]) withoutNulls({ spec: odd });
  });
});

describe("a MicrovmMachine that is changed", () => {
  test("may get its provider id and MACs that it had not", () => {
    const old = machine({ networkInterfaces: [eth1] });
    const now = machine({ providerID: "microvm://10.0.0.1:9090/01HX" });
    assert.deepEqual(validateMicrovmMachine(now, old), { errors: [], warnings: [] });
  });

  test("may get another provider id, with a warning of what is left behind", () => {
    const old = machine({ providerID: "microvm://10.0.0.1:9090/01HX" });
    const verdict = validateMicrovmMachine(machine({ providerID: "microvm://10.0.0.2:9090/01HY" }), old);
    assert.deepEqual(errorsOf(verdict), []);
    assert.match(warningsOf(verdict), /spec\.providerID: was microvm:\/\/10\.0\.0\.1:9090\/01HX/);
    assert.match(warningsOf(validateMicrovmMachine(machine(), old)), /spec\.providerID: was/);
    assert.deepEqual(errorsOf(validateMicrovmMachine(machine({ providerID: "01HX" }), old)), [
      "spec.providerID Invalid",
    ]);
  });

  test("is refused for every other field, each named", () => {
    const verdict = validateMicrovmMachine(
      machine({ vcpu: 4, labels: { a: "b" }, networkInterfaces: [{ ...eth1, guestMac: "02:00:00:00:00:02" }] }),
      machine(),
    );
    assert.deepEqual(errorsOf(verdict), [
      "spec.labels Forbidden",
      "spec.networkInterfaces Forbidden",
      "spec.vcpu Forbidden",
    ]);
    assert.match(verdict?.errors?.[0]?.message ?? "", /change the template/);
  });

  test("may lose its finalizer and change its labels whatever its spec is: it was stored before the rule", () => {
    const odd = { rootVolume: { id: "root", readOnly: false }, vcpu: 5_000 };
    const old = machine(odd, { finalizers: ["a"], deletionTimestamp: "2026-01-01T00:00:00Z" });
    assert.deepEqual(validateMicrovmMachine(machine(odd, { labels: { a: "b" } }), old), { errors: [], warnings: [] });
  });

  test("is told when the annotation to abandon hosts does not say true", () => {
    const name = "capmvm.liquidmetal.dev/abandon-unreachable-host";
    const said = (value: string): AdmissionVerdict | undefined =>
      validateMicrovmMachine(machine({}, { annotations: { [name]: value } }), machine());
    assert.match(warningsOf(said("yes")), /"yes" is as good as absent; only "true"/);
    assert.equal(warningsOf(said("true")), "");
  });

  test("goes without a word", () => assert.equal(validateMicrovmMachine(undefined, machine()), undefined));
});

describe("MicrovmMachineTemplate", () => {
  const plain = { dryRun: false };

  test("is checked like a machine, and names no microVM", () => {
    assert.deepEqual(errorsOf(validateMicrovmMachineTemplate(template({ vcpu: 0 }), undefined, plain)), [
      "spec.template.spec.vcpu Invalid",
    ]);
    const named = template({ providerID: "microvm://10.0.0.1:9090/01HX" });
    assert.deepEqual(errorsOf(validateMicrovmMachineTemplate(named, undefined, plain)), [
      "spec.template.spec.providerID Forbidden",
    ]);
  });

  test("warns of what would be the same in every machine", () => {
    const same = template({ networkInterfaces: [{ ...eth1, guestMac: "02:00:00:00:00:01", address: "10.0.0.5/24" }] });
    assert.match(
      warningsOf(validateMicrovmMachineTemplate(same, undefined, plain)),
      /guestMac: every machine[\s\S]*address: every machine/,
    );
  });

  test("is fixed but for metadata", () => {
    const changed = template({ vcpu: 4 });
    assert.deepEqual(errorsOf(validateMicrovmMachineTemplate(changed, template(), plain)), [
      "spec.template.spec Forbidden",
    ]);
    const relabelled: MicrovmMachineTemplate = {
      ...template({}, { labels: { a: "b" } }),
      spec: { template: { metadata: { labels: { a: "b" } }, spec: template().spec.template.spec } },
    };
    assert.equal(validateMicrovmMachineTemplate(relabelled, template(), plain), undefined);
  });

  test("may be changed in the dry runs of the topology controller, and only there", () => {
    const annotated = template({ vcpu: 4 }, { annotations: { "topology.cluster.x-k8s.io/dry-run": "" } });
    assert.deepEqual(errorsOf(validateMicrovmMachineTemplate(annotated, template(), { dryRun: true })), []);
    for (const [one, dryRun] of [
      [annotated, false],
      [template({ vcpu: 4 }), true],
    ] as const) {
      assert.deepEqual(errorsOf(validateMicrovmMachineTemplate(one, template(), { dryRun })), [
        "spec.template.spec Forbidden",
      ]);
    }
  });
});

describe("MicrovmMachinePool", () => {
  test("may change its template, which is checked, and its list of provider ids", () => {
    const pool = (changed: Partial<MicrovmMachineSpec>, providerIDList: readonly string[] = []) => ({
      spec: { providerIDList, ...template(changed).spec },
    });
    assert.deepEqual(errorsOf(validateMicrovmMachinePool(pool({ vcpu: 4 }), pool({}))), []);
    assert.deepEqual(errorsOf(validateMicrovmMachinePool(pool({ vcpu: 0 }), pool({}))), [
      "spec.template.spec.vcpu Invalid",
    ]);
    assert.deepEqual(errorsOf(validateMicrovmMachinePool(pool({ vcpu: 0 }, ["a"]), pool({ vcpu: 0 }))), []);
  });
});

describe("MicrovmMachinePoolTemplate", () => {
  const poolTemplate = (changed: Partial<MicrovmMachineSpec>, providerIDList?: readonly string[]) => ({
    kind: "MicrovmMachinePoolTemplate",
    spec: {
      template: {
        spec: { ...template(changed).spec, ...(providerIDList === undefined ? {} : { providerIDList }) },
      },
    },
  });

  test("is checked like a pool, names no microVM, and is fixed", () => {
    const plain = { dryRun: false };
    const errors = errorsOf(validateMicrovmMachinePoolTemplate(poolTemplate({ vcpu: 0 }, ["a"]), undefined, plain));
    assert.deepEqual(errors, [
      "spec.template.spec.template.spec.vcpu Invalid",
      "spec.template.spec.providerIDList Forbidden",
    ]);
    const changed = validateMicrovmMachinePoolTemplate(poolTemplate({ vcpu: 4 }), poolTemplate({}), plain);
    assert.deepEqual(errorsOf(changed), ["spec.template.spec Forbidden"]);
    assert.equal(validateMicrovmMachinePoolTemplate(poolTemplate({}), poolTemplate({}), plain), undefined);
  });
});
