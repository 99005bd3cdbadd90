/** What a guest is given: bootstrap data, vendor-data, meta-data, and the request that carries them. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { parse } from "yaml";
import type { Cluster, Machine, MicrovmMachine, Secret } from "../api/index.ts";
import { bootstrapDataOf, bootstrapGate } from "./bootstrap-data.ts";
import { keysOf, metaData, vendorData } from "./cloud-init.ts";
import { macAddressOf } from "./mac-address.ts";
import { microVmRequest } from "./microvm-request.ts";

const base64 = (text: string | Buffer): string => Buffer.from(text).toString("base64");
const secret = (data: Record<string, string | Buffer>): Secret => ({
  data: Object.fromEntries(Object.entries(data).map(([key, value]) => [key, base64(value)])),
});
const cloudConfig = "## template: jinja\n#cloud-config\nruncmd: [true]\n";

describe("bootstrap data", () => {
  const rows: readonly (readonly [string, Secret | undefined, string])[] = [
    ["no secret", undefined, "SecretMissing"],
    ["no data", {}, "DataInvalid"],
    ["no key", secret({ format: "cloud-config" }), "DataInvalid"],
    ["an empty value", secret({ value: "" }), "DataInvalid"],
    ["white space", secret({ value: " \n" }), "DataInvalid"],
    ["not UTF-8", secret({ value: Buffer.from([0x1f, 0x8b, 0xff, 0xfe]) }), "DataInvalid"],
    ["ignition", secret({ format: "ignition", value: "{}" }), "FormatUnsupported"],
    ["a format nobody knows", secret({ format: "cloud-confiq", value: cloudConfig }), "FormatUnsupported"],
    ["ignition in disguise", secret({ value: ' {"ignition": {"version": "3.1.0"}}' }), "FormatUnsupported"],
    ["more than a host takes", secret({ value: "x".repeat(1_048_576) }), "DataTooLarge"],
  ];
  for (const [name, one, reason] of rows) {
    test(`${name}: ${reason}`, () => {
      const data = bootstrapDataOf("the-secret", one);
      assert.ok(!data.available);
      assert.equal(data.reason, reason);
      assert.match(data.message, /the-secret/);
      assert.ok(data.lookAgain);
    });
  }

  test("cloud-config passes as it is, with or without a format", () => {
    for (const one of [secret({ value: cloudConfig }), secret({ value: cloudConfig, format: "cloud-config\n" })]) {
      assert.deepEqual(bootstrapDataOf("s", one), { available: true, userData: cloudConfig });
    }
    const large = "é".repeat(500_000);
    assert.deepEqual(bootstrapDataOf("s", secret({ value: large })), { available: true, userData: large });
  });

  test("a worker is told that it waits for the control plane, a control plane that it waits for its provider", () => {
    const worker: Machine = { spec: { bootstrap: {} } };
    const controlPlane: Machine = { ...worker, metadata: { labels: { "cluster.x-k8s.io/control-plane": "" } } };
    const initialised: Cluster = { status: { initialization: { controlPlaneInitialized: true } } };
    const said = (machine: Machine, cluster?: Cluster): string => {
      const gate = bootstrapGate(machine, cluster);
      return gate?.available === false ? gate.message : "";
    };
    assert.match(said(worker), /control plane of the cluster to be initialised/);
    assert.match(said(worker, initialised), /dataSecretName/);
    assert.match(said(controlPlane), /dataSecretName/);
    assert.equal(bootstrapGate({ spec: { bootstrap: { dataSecretName: "s" } } }, undefined), undefined);
  });
});

describe("cloud-init", () => {
  test("vendor-data is a cloud-config with hostname, users with keys, a last word and the resolver", () => {
    const key = `ssh-ed25519 ${"A".repeat(200)} me: "quoted" # {{ not jinja }}`;
    const text = vendorData({ hostname: "m-1", sshPublicKeys: [{ user: "root", authorizedKeys: [key] }] });
    assert.ok(text.startsWith("#cloud-config\n"));
    const config = parse(text);
    assert.deepEqual(Object.keys(config), ["hostname", "users", "final_message", "bootcmd"]);
    assert.equal(config.hostname, "m-1");
    assert.deepEqual(config.users, [{ name: "root", ssh_authorized_keys: [key] }]);
    assert.match(config.final_message, /good to go after \$UPTIME seconds/);
    assert.equal(config.bootcmd.length, 1);
    assert.match(config.bootcmd[0][2], /is-enabled systemd-resolved.*ln -sf \S+stub-resolv.conf \/etc\/resolv.conf/);
  });

  test("without keys nothing is said of users, so the image's own stay", () => {
    assert.equal("users" in parse(vendorData({ hostname: "m", sshPublicKeys: [] })), false);
  });

  test("the machine's keys replace the cluster's, unless it has none", () => {
    const [a, b] = [[{ user: "a", authorizedKeys: [] }], [{ user: "b", authorizedKeys: [] }]];
    assert.equal(keysOf(a, b), a);
    assert.equal(keysOf([], b), b);
    assert.equal(keysOf(undefined, b), b);
    assert.deepEqual(keysOf(undefined, undefined), []);
  });

  test("the keys of meta-data are those that templates read", () => {
    const text = metaData({ hostname: "m-1", endpoint: "10.0.0.2:9090", identity: "i-1" });
    assert.deepEqual(parse(text), {
      local_hostname: "m-1",
      machine_identity: "i-1",
      platform: "liquid_metal",
      vm_host: "10.0.0.2:9090",
    });
    assert.deepEqual(Object.keys(parse(text)), Object.keys(parse(text)).toSorted());
  });

  test("any name and key survives YAML", () => {
    const text = fc.string({ unit: "grapheme", maxLength: 80 });
    fc.assert(
      fc.property(text, text, text, (hostname, user, key) => {
        const config = parse(vendorData({ hostname, sshPublicKeys: [{ user, authorizedKeys: [key] }] }));
        assert.deepEqual([config.hostname, config.users], [hostname, [{ name: user, ssh_authorized_keys: [key] }]]);
        const meta = parse(metaData({ hostname, endpoint: user, identity: key }));
        assert.deepEqual([meta.local_hostname, meta.vm_host, meta.machine_identity], [hostname, user, key]);
      }),
    );
  });
});

describe("the request", () => {
  const machine: MicrovmMachine = {
    metadata: { namespace: "ns", name: "demo-md-0-abcde", uid: "u-1" },
    spec: {
      vcpu: 2,
      memoryMiB: 4_096,
      rootVolume: { id: "root", image: "os:1", readOnly: false, sizeMiB: 10_240 },
      additionalVolumes: [{ id: "modules", image: "modules:1", readOnly: true, mountPoint: "/lib/modules" }],
      kernel: { image: "kernel:1", filename: "boot/vmlinux", cmdline: { quiet: "" } },
      networkInterfaces: [
        { guestDeviceName: "eth1", type: "tap", address: "10.1.0.5/24", gateway: "10.1.0.1", nameservers: ["9.9.9.9"] },
        { guestDeviceName: "eth2", type: "macvtap", guestMac: "02:00:00:00:00:01", bridge: "br0" },
      ],
      labels: { tier: "gold", "cluster-name": "mine" },
    },
  };
  const world = {
    clusterName: "demo",
    clusterUid: "c-1",
    clusterSshPublicKeys: [{ user: "root", authorizedKeys: ["k"] }],
    managementPlane: "p-1",
    userData: cloudConfig,
  };
  const journal = { endpoint: "10.0.0.2:9090", identity: "i-1" };
  const request = microVmRequest(machine, journal, world);

  test("says everything that the spec says, under the machine's name", () => {
    assert.deepEqual([request.namespace, request.name, request.identity], ["ns", "demo-md-0-abcde", "i-1"]);
    assert.deepEqual(request.rootVolume, machine.spec.rootVolume);
    assert.deepEqual(request.additionalVolumes, machine.spec.additionalVolumes);
    assert.deepEqual(request.kernel, machine.spec.kernel);
    assert.equal("provider" in request, false);
    assert.deepEqual(request.interfaces, [
      {
        device: "eth1",
        type: "tap",
        mac: macAddressOf("i-1", "eth1"),
        address: "10.1.0.5/24",
        gateway: "10.1.0.1",
        nameservers: ["9.9.9.9"],
      },
      { device: "eth2", type: "macvtap", mac: "02:00:00:00:00:01", bridge: "br0" },
    ]);
    assert.equal(request.metadata["user-data"], cloudConfig);
    assert.equal(parse(request.metadata["vendor-data"]).users[0].name, "root");
  });

  test("labels of the spec are copied, ours win, and the spec stays as it is", () => {
    assert.deepEqual(request.labels, {
      tier: "gold",
      "cluster-name": "demo",
      "capmvm.liquidmetal.dev/identity": "i-1",
      "capmvm.liquidmetal.dev/management-plane": "p-1",
      "capmvm.liquidmetal.dev/cluster": "c-1",
    });
    assert.deepEqual(machine.spec.labels, { tier: "gold", "cluster-name": "mine" });
  });

  test("asked twice it is the same request", () => {
    assert.deepEqual(microVmRequest(machine, journal, world), request);
  });
});

test("addresses of interfaces are local, unicast, steady, and differ by machine and device", () => {
  const all = new Set<string>();
  for (let index = 0; index < 500; index++) {
    const mac = macAddressOf(`identity-${index >> 1}`, `eth${index & 1}`);
    assert.match(mac, /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/);
    assert.equal(Number.parseInt(mac.slice(0, 2), 16) & 0x03, 0x02);
    assert.equal(macAddressOf(`identity-${index >> 1}`, `eth${index & 1}`), mac);
    all.add(mac);
  }
  assert.equal(all.size, 500);
});
