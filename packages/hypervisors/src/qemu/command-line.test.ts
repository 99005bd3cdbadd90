import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Machine, MadeInterface, MadeVolume } from "@liquidmetal/microvm";
import { agentPortName, contextId, qemuCommand, translationCacheMiB } from "./command-line.ts";
import { qemuPaths } from "./paths.ts";

const machine: Machine = {
  uid: "01J",
  namespace: "default",
  name: "one",
  vcpu: 2,
  memoryMiB: 512,
  kernelPath: "/k/vmlinuz",
  cmdline: {},
  hasRootVolume: true,
  volumes: [],
  interfaces: [],
  vsock: false,
  directory: "/d",
  runDirectory: "/r",
  bootGeneration: 1,
  token: "lm-01J-1",
};
const platform = {
  program: "qemu",
  accelerator: "tcg",
  tsc: { khz: 2_000_000, exact: true },
  vsock: false,
  blockDevices: new Set<string>(),
} as const;
const volume = (id: string, changes: Partial<MadeVolume> = {}): MadeVolume => ({
  id,
  kind: "block",
  path: `/v/${id}`,
  format: "raw",
  readOnly: false,
  sizeBytes: 1,
  store: "test",
  imageDigest: "",
  ...changes,
});
const tap: MadeInterface = {
  deviceId: "eth0",
  type: "tap",
  hostDevice: "lmtap0",
  hostIndex: 7,
  hostMac: "",
  guestMac: "02:00:00:00:00:01",
  bridge: "",
  addresses: [],
  nameservers: [],
  dhcp: false,
};
const words = (changes: Partial<Machine>, on: Partial<Parameters<typeof qemuCommand>[2]> = {}): readonly string[] => {
  const changed = { ...machine, ...changes };
  return qemuCommand(changed, qemuPaths(changed), { ...platform, ...on }).words;
};
const devices = (all: readonly string[]): string[] => all.filter((_, index) => all[index - 1] === "-device");
const after = (all: readonly string[], word: string): string => all[all.indexOf(word) + 1] ?? "";

describe("QEMU's command line", () => {
  it("places disks, then interfaces, from the highest slot down", () => {
    const all = devices(words({ volumes: [volume("root"), volume("data")], seedPath: "/seed", interfaces: [tap] }));
    const placed = all.map((device) => device.replace(/,.*bus=virtio-mmio-bus\./, " ")).slice(0, 5);
    assert.deepEqual(placed, [
      "virtio-blk-device 23",
      "virtio-blk-device 22",
      "virtio-blk-device 21",
      "virtio-net-device 20",
      "virtio-serial-device 19",
    ]);
  });

  it("never uses slot 0, and says when there are too many devices", () => {
    const volumes = Array.from({ length: 20 }, (_, index) => volume(String(index)));
    assert.ok(devices(words({ volumes })).every((device) => !device.endsWith("bus.0")));
    assert.throws(() => words({ volumes: [...volumes, volume("one-more")] }), { code: "CAPABILITY_MISSING" });
  });

  it("mounts the root as the volume allows", () => {
    assert.match(after(words({ volumes: [volume("root")] }), "-append"), /^console=ttyS0 root=\/dev\/vda rw /);
    assert.match(after(words({ volumes: [volume("root", { readOnly: true })] }), "-append"), / root=\/dev\/vda ro /);
    assert.doesNotMatch(after(words({ hasRootVolume: false }), "-append"), /root=/);
  });

  it("gives the TSC rate only without KVM", () => {
    assert.match(after(words({}), "-append"), /tsc_early_khz=2000000/);
    const kvm = words({}, { accelerator: "kvm" });
    assert.doesNotMatch(after(kvm, "-append"), /tsc_early_khz/);
    assert.equal(after(kvm, "-cpu"), "host");
  });

  it("has emulated guests trust a TSC whose rate is known, and no other", () => {
    assert.match(after(words({}), "-append"), / tsc=reliable( |$)/);
    const guessed = words({}, { tsc: { khz: 2_000_000, exact: false } });
    assert.match(after(guessed, "-append"), /tsc_early_khz=2000000/);
    assert.doesNotMatch(after(guessed, "-append"), /tsc=/);
  });

  it("leaves out the mitigations only where nothing speculates, and where the user does not ask for them", () => {
    assert.match(after(words({}), "-append"), / mitigations=off( |$)/);
    assert.doesNotMatch(after(words({}, { accelerator: "kvm" }), "-append"), /mitigations|tsc=/);
    assert.match(after(words({ cmdline: { mitigations: "auto" } }), "-append"), / mitigations=auto( |$)/);
  });

  it("takes any path for a disk", () => {
    const all = words({ volumes: [volume("root", { path: '/v/a,b"c', format: "qcow2" })] });
    assert.equal(JSON.parse(after(all, "-blockdev")).filename, '/v/a,b"c');
  });

  it("hands macvtap devices over opened", () => {
    const interfaces = [{ ...tap, type: "macvtap" } as const, tap, { ...tap, type: "macvtap", hostIndex: 9 } as const];
    const { words: all, openFiles } = qemuCommand({ ...machine, interfaces }, qemuPaths(machine), platform);
    assert.deepEqual(openFiles, ["/dev/tap7", "/dev/tap9"]);
    assert.ok(all.includes("tap,id=net0,fd=3") && all.includes("tap,id=net2,fd=4"));
  });

  it("shares memory only for virtiofs", () => {
    const all = words({ volumes: [volume("share", { kind: "virtiofs", path: "/s/fs.sock" })] });
    assert.ok(all.includes("memory-backend-memfd,id=memory,size=512M,share=on"));
    assert.ok(devices(all).some((device) => device.startsWith("vhost-user-fs-device") && device.includes("tag=user")));
    assert.ok(!words({}).join(" ").includes("memfd"));
  });

  it("bounds the translation cache, and gives every uid a context id that is not reserved", () => {
    assert.deepEqual([64, 512, 65_536].map(translationCacheMiB), [64, 128, 1_024]);
    assert.ok(contextId("") > 2 && contextId("01J") > 2 && contextId("01J") < 0xffff_ffff);
  });

  it("gives a vsock to who asked for one, where the host has it, and the agent's port to everyone", () => {
    const named = (all: readonly string[], name: string): boolean => devices(all).some((one) => one.startsWith(name));
    assert.ok(named(words({ vsock: true }, { vsock: true }), "vhost-vsock-device"));
    assert.ok(!named(words({ vsock: true }), "vhost-vsock-device"));
    assert.ok(!named(words({}, { vsock: true }), "vhost-vsock-device"));
    assert.ok(named(words({}), `virtserialport,chardev=agent,name=${agentPortName}`));
  });

  it("refuses a run directory that is too long for sockets", () => {
    assert.throws(() => qemuPaths({ ...machine, runDirectory: `/${"r".repeat(120)}` }), { code: "CONFIG_INVALID" });
  });
});
