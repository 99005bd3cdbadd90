/** Requests for tests: a spec and interfaces with everything in its place. */
import type { MadeInterface, MicroVmSpec, SeedRequest } from "@liquidmetal/microvm";

export function spec(more: Partial<MicroVmSpec> = {}): MicroVmSpec {
  return {
    namespace: "ns1",
    name: "vm1",
    labels: {},
    provider: "",
    vcpu: 1,
    memoryMiB: 512,
    kernel: { image: "k:1", filename: "boot/vmlinux", cmdline: {}, addNetworkConfig: true },
    rootVolume: { id: "root", readOnly: false, source: { kind: "image", image: "os:1" } },
    additionalVolumes: [],
    interfaces: [],
    metadata: {},
    allowGuestAgent: false,
    ...more,
  };
}

export function made(more: Partial<MadeInterface> = {}): MadeInterface {
  return {
    deviceId: "eth1",
    type: "tap",
    hostDevice: "lmtap0000000001",
    hostIndex: 7,
    hostMac: "5E:00:00:00:00:01",
    guestMac: "52:54:00:12:34:56",
    bridge: "br0",
    addresses: [],
    nameservers: [],
    dhcp: true,
    ...more,
  };
}

export function seedRequest(more: Partial<SeedRequest> = {}): SeedRequest {
  return { uid: "01ARZ3NDEKTSV4RRFFQ69G5FAV", spec: spec(), interfaces: [made()], directory: "/nowhere", ...more };
}

export function base64(text: string | Uint8Array): string {
  return Buffer.from(text).toString("base64");
}
