/** What is accepted, what is refused, and that every violation is told at once. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { unwrap } from "@liquidmetal/foundation";
import fc from "fast-check";
import type { SpecDraft } from "./defaults.ts";
import { validateSpec } from "./validation.ts";
import { ipVersion, isCidr } from "./validation-addresses.ts";
import { base64SizeBytes } from "./validation-metadata.ts";

const minimal: SpecDraft = {
  name: "vm1",
  kernel: { image: "registry.example/kernel:1", filename: "boot/vmlinux" },
  rootVolume: { id: "root", image: "registry.example/os:1" },
  interfaces: [{ deviceId: "eth1", type: "tap" }],
};

/** The violations of a draft, by line; empty = valid. */
function violations(change: Partial<SpecDraft>, limits = {}): string[] {
  const result = validateSpec({ ...minimal, ...change }, limits);
  if (result.ok) return [];
  assert.equal(result.error.code, "SPEC_INVALID");
  return result.error.message.split("\n").slice(1);
}

function broken(field: string, change: Partial<SpecDraft>, limits = {}): void {
  const lines = violations(change, limits);
  assert.ok(
    lines.some((line) => line.startsWith(`${field}: `)),
    `${field} not among ${JSON.stringify(lines)}`,
  );
}

describe("defaults", () => {
  test("the shortest spec is completed as upstream completes it", () => {
    const spec = unwrap(validateSpec({ ...minimal, kernel: { image: "k:1" } }));
    assert.equal(spec.namespace, "default");
    assert.equal(spec.vcpu, 2);
    assert.equal(spec.memoryMiB, 1_024);
    assert.equal(spec.kernel.filename, "boot/vmlinux");
    assert.equal(unwrap(validateSpec({ ...minimal, initrd: { image: "i:1" } })).initrd?.filename, "boot/initrd");
    assert.deepEqual(spec.metadata, {});
  });

  test("empty optional values count as absent", () => {
    const spec = unwrap(
      validateSpec({
        ...minimal,
        provider: "",
        interfaces: [{ deviceId: "eth1", type: "tap", guestMac: "", bridgeName: "" }],
        rootVolume: { id: "", image: "os:1", mountPoint: "", partitionId: "", sizeMiB: 0 },
      }),
    );
    assert.deepEqual(spec.interfaces[0], { deviceId: "eth1", type: "tap" });
    assert.deepEqual(spec.rootVolume, { id: "root", readOnly: false, source: { kind: "image", image: "os:1" } });
  });
});

describe("names", () => {
  for (const bad of ["", "a/b", "..", "a..b", 'a"b', "a'b", "a\0b", "-a", "a-", "a b", "é", "x".repeat(300)]) {
    test(`id ${JSON.stringify(bad.slice(0, 8))} (${bad.length}) is refused`, () => broken("id", { name: bad }));
  }
  test("the reason is said", () => {
    assert.match(violations({ name: "a/b" })[0] ?? "", /must not contain '\/'/);
    assert.match(violations({ name: "a\0b" })[0] ?? "", /NUL/);
    assert.match(violations({ name: "x".repeat(300) })[0] ?? "", /at most 63 characters, has 300/);
  });
  test("words that every object answers to are no names, anywhere", () => {
    broken("id", { name: "constructor" });
    broken("root_volume.id", { rootVolume: { id: "toString", image: "i:1" } });
    broken("interfaces[0].device_id", { interfaces: [{ deviceId: "constructor", type: "tap" }] });
    broken('labels["valueOf"]', { labels: { valueOf: "" } });
    broken('kernel.cmdline["constructor"]', { kernel: { image: "k:1", cmdline: { constructor: "" } } });
    broken('metadata["constructor"]', { metadata: { constructor: "" } });
  });
  for (const good of ["a", "vm-1", "VM_1.x", "x".repeat(63)]) {
    test(`id ${good.slice(0, 8)} is accepted`, () => assert.deepEqual(violations({ name: good, namespace: good }), []));
  }
});

describe("sizes", () => {
  for (const vcpu of [-1, 65, 1.5, Number.NaN * 1 || 1_000]) {
    test(`vcpu ${vcpu} is refused`, () => broken("vcpu", { vcpu }));
  }
  for (const vcpu of [1, 3, 33, 64]) {
    test(`vcpu ${vcpu} is accepted (the hypervisor's own limit is the engine's)`, () => {
      assert.deepEqual(violations({ vcpu }), []);
    });
  }
  test("memory: 64 MiB is small enough, 63 too small, above upstream's 32 GiB is the host's to decide", () => {
    assert.deepEqual(violations({ memoryMiB: 64 }), []);
    assert.deepEqual(violations({ memoryMiB: 65_536 }), []);
    broken("memory_in_mb", { memoryMiB: 63 });
    broken("memory_in_mb", { memoryMiB: -5 });
  });
});

describe("kernel and initrd", () => {
  test("a spec without a kernel is refused (it crashed upstream)", () => {
    broken("kernel", { kernel: undefined });
    broken("kernel", { kernel: { image: "", filename: "" } });
    broken("kernel.image", { kernel: { image: "", filename: "vmlinux" } });
  });
  test("file names stay inside the image", () => {
    broken("kernel.filename", { kernel: { image: "k:1", filename: "../../etc/shadow" } });
    assert.deepEqual(violations({ kernel: { image: "k:1", filename: "/boot/vmlinux" } }), []);
  });
  test("kernel arguments", () => {
    broken('kernel.cmdline["a b"]', { kernel: { image: "k:1", cmdline: { "a b": "" } } });
    broken('kernel.cmdline["a"]', { kernel: { image: "k:1", cmdline: { a: "x\ny" } } });
    broken("kernel.cmdline", { kernel: { image: "k:1", cmdline: { a: "x".repeat(3_000) } } });
    assert.deepEqual(
      violations({ kernel: { image: "k:1", cmdline: { ro: "", ds: "nocloud-net;s=http://1.2.3.4/" } } }),
      [],
    );
  });
  test("image references", () => {
    for (const image of ["http://x/y", "a b", "UPPER CASE", "a//b", "/a", "a:", "a@sha256:12", "x".repeat(600)]) {
      broken("kernel.image", { kernel: { image } });
    }
    for (const image of ["alpine", "localhost:5000/a/b:c", "[::1]:5000/a:1", `ghcr.io/x/y@sha256:${"a".repeat(64)}`]) {
      assert.deepEqual(violations({ kernel: { image } }), [], image);
    }
  });
});

describe("volumes", () => {
  test("a root volume is required unless there is an initrd", () => {
    broken("root_volume", { rootVolume: undefined });
    broken("root_volume", { rootVolume: {} });
    assert.deepEqual(violations({ rootVolume: undefined, initrd: { image: "i:1" } }), []);
  });
  test("sources", () => {
    broken("root_volume.source", { rootVolume: { id: "root", virtiofsPath: "/srv" } });
    broken("root_volume.source", { rootVolume: { id: "root" } });
    broken("additional_volumes[0].source", { additionalVolumes: [{ id: "a", image: "i:1", virtiofsPath: "/srv" }] });
    broken("additional_volumes", {
      additionalVolumes: [
        { id: "a", virtiofsPath: "/a" },
        { id: "b", virtiofsPath: "/b" },
      ],
    });
    broken("additional_volumes[0].source.virtiofs_source", {
      additionalVolumes: [{ id: "a", virtiofsPath: "/a/../b" }],
    });
  });
  test("ids, sizes, mount points, partitions", () => {
    broken("additional_volumes[0].id", { additionalVolumes: [{ id: "root", image: "i:1" }] });
    broken("additional_volumes[0].id", { additionalVolumes: [{ id: "", image: "i:1" }] });
    broken("root_volume.size_in_mb", { rootVolume: { id: "r", image: "i:1", sizeMiB: -1 } });
    broken("root_volume.mount_point", { rootVolume: { id: "r", image: "i:1", mountPoint: "data" } });
    broken("root_volume.partition_id", { rootVolume: { id: "r", image: "i:1", partitionId: "a b" } });
  });
});

describe("interfaces", () => {
  const nic = (change: object): Partial<SpecDraft> => ({ interfaces: [{ deviceId: "eth1", type: "tap", ...change }] });
  test("device ids", () => {
    for (const deviceId of ["", "Eth0", "0eth", "a/b", "a@b", "e-0"])
      broken("interfaces[0].device_id", nic({ deviceId }));
    broken("interfaces[1].device_id", {
      interfaces: [
        { deviceId: "eth1", type: "tap" },
        { deviceId: "eth1", type: "tap" },
      ],
    });
  });
  test("types, bridges, hardware addresses", () => {
    broken("interfaces[0].type", nic({ type: "unknown" }));
    broken("interfaces[0].overrides.bridge_name", nic({ bridgeName: "a-name-that-is-too-long" }));
    broken("interfaces[0].guest_mac", nic({ guestMac: "01:00:00:00:00:01" }));
    broken("interfaces[0].guest_mac", nic({ guestMac: "nonsense" }));
    assert.deepEqual(violations(nic({ guestMac: "02:00:00:00:00:01" })), []);
  });
  test("addresses", () => {
    broken("interfaces[0].address.address", nic({ address: { address: "10.0.0.1" } }));
    broken("interfaces[0].address.gateway", nic({ address: { address: "10.0.0.1/24", gateway: "10.0.0.254" } }));
    broken("interfaces[0].address.nameservers[0]", nic({ address: { address: "10.0.0.1/24", nameservers: ["dns"] } }));
    const good = { address: "fd00::7/64", gateway: "fd00::1/64", nameservers: ["1.1.1.1", "fe80::1"] };
    assert.deepEqual(violations(nic({ address: good })), []);
  });
  test("no interface at all is allowed here", () => assert.deepEqual(violations({ interfaces: [] }), []));
});

describe("metadata and labels", () => {
  test("base64 and size", () => {
    broken('metadata["user-data"]', { metadata: { "user-data": "not base64!" } });
    broken("metadata", { metadata: { "user-data": "A".repeat(10 * 1_024 * 1_024) } });
    assert.deepEqual(violations({ metadata: { "user-data": "I2Nsb3VkLWNvbmZpZwo=" } }), []);
    broken("metadata", { metadata: { a: "AAAA" } }, { metadataBytes: 2 });
  });
  test("labels are bounded", () => {
    broken("labels", { labels: Object.fromEntries(Array.from({ length: 65 }, (_, index) => [`k${index}`, ""])) });
    broken('labels["a"]', { labels: { a: "x\0" } });
    assert.deepEqual(violations({ labels: { "brigade.scheduling/zone": "a b" } }), []);
  });
});

test("all violations come at once, bounded", () => {
  const lines = violations({ name: "", vcpu: 99, kernel: undefined, rootVolume: undefined });
  assert.deepEqual(
    lines.map((line) => line.split(":")[0]),
    ["id", "vcpu", "kernel", "root_volume"],
  );
  const many = violations({ labels: Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`a b${i}`, ""])) });
  assert.equal(many.length, 41);
  assert.match(many.at(-1) ?? "", /and 20 more/);
});

describe("properties", () => {
  const anything = fc.record(
    {
      name: fc.string(),
      namespace: fc.string(),
      vcpu: fc.integer(),
      memoryMiB: fc.integer(),
      labels: fc.dictionary(fc.string(), fc.string()),
      kernel: fc.record({
        image: fc.string(),
        filename: fc.string(),
        cmdline: fc.dictionary(fc.string(), fc.string()),
      }),
      rootVolume: fc.record({ id: fc.string(), image: fc.string(), sizeMiB: fc.integer() }),
      interfaces: fc.array(fc.record({ deviceId: fc.string(), guestMac: fc.string() }), { maxLength: 3 }),
      metadata: fc.dictionary(fc.string(), fc.string()),
    },
    { requiredKeys: [] },
  );
  test("never throws, and what passes once passes again unchanged in its names", () => {
    fc.assert(
      fc.property(anything, (draft) => {
        const result = validateSpec(draft);
        if (!result.ok) assert.equal(result.error.code, "SPEC_INVALID");
        else assert.match(result.value.name, /^[A-Za-z0-9][A-Za-z0-9._-]*$/);
      }),
      { numRuns: 300 },
    );
  });
  test("every IPv4 and IPv6 address is recognised, with any prefix that fits", () => {
    fc.assert(
      fc.property(fc.ipV4(), fc.integer({ min: 0, max: 32 }), (address, prefix) => {
        assert.equal(ipVersion(address), 4);
        assert.ok(isCidr(`${address}/${prefix}`));
        assert.ok(!isCidr(`${address}/${prefix + 33}`));
      }),
    );
    fc.assert(fc.property(fc.ipV6(), (address) => assert.equal(ipVersion(address), 6)));
  });
  test("base64 sizes are exact", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 99 }), (bytes) => {
        assert.equal(base64SizeBytes(Buffer.from(bytes).toString("base64")), bytes.length);
      }),
    );
  });
});
