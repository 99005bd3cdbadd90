/** What goes over the wire and what comes back: requests, microVMs, identities, failures, endpoints. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { NetworkInterface_IfaceType } from "@liquidmetal/api";
import { PlatformError } from "@liquidmetal/foundation";
import { accessFingerprint } from "./access-fingerprint.ts";
import { parseEndpoint } from "./endpoint.ts";
import type { MicroVmRequest } from "./host.ts";
import { hostError, isGone } from "./host-errors.ts";
import { HostView } from "./host-view.ts";
import { identityIn } from "./identity.ts";
import { requestToWire } from "./request-to-wire.ts";

const request: MicroVmRequest = {
  namespace: "ns",
  name: "vm",
  identity: "uid-1",
  labels: { a: "b" },
  provider: "",
  vcpu: 2,
  memoryMiB: 1_024,
  kernel: { image: "kernel:1", filename: "boot/vmlinux", cmdline: { quiet: "" } },
  rootVolume: { id: "root", image: "os:1", readOnly: false },
  additionalVolumes: [{ id: "share", virtiofsPath: "/srv", readOnly: true, mountPoint: "/mnt", sizeMiB: 10 }],
  interfaces: [{ device: "eth1", type: "macvtap", mac: "02:00:00:00:00:01" }],
  metadata: { "user-data": "ü", "vendor-data": "", "meta-data": "a: b" },
};

test("a request has no empty options, labels with the identity, and metadata as base64 with the identity", () => {
  const wire = requestToWire(request);
  assert.equal("provider" in wire, false);
  assert.equal("initrd" in wire, false);
  assert.deepEqual(wire.labels, { a: "b", "capmvm.liquidmetal.dev/identity": "uid-1" });
  assert.deepEqual(wire.rootVolume, { id: "root", isReadOnly: false, source: { containerSource: "os:1" } });
  assert.deepEqual(wire.additionalVolumes?.[0], {
    id: "share",
    isReadOnly: true,
    source: { virtiofsSource: "/srv" },
    mountPoint: "/mnt",
    sizeInMb: 10,
  });
  assert.deepEqual(wire.interfaces?.[0], {
    deviceId: "eth1",
    type: NetworkInterface_IfaceType.MACVTAP,
    guestMac: "02:00:00:00:00:01",
  });
  assert.equal(Buffer.from(wire.metadata?.["user-data"] ?? "", "base64").toString(), "ü");
  assert.equal(Buffer.from(wire.metadata?.["meta-data"] ?? "", "base64").toString(), "a: b\nmachine_identity: uid-1\n");
  const said = requestToWire({
    ...request,
    metadata: { ...request.metadata, "meta-data": "machine_identity: uid-1\n" },
  });
  assert.equal(Buffer.from(said.metadata?.["meta-data"] ?? "", "base64").toString(), "machine_identity: uid-1\n");
});

test("a gateway goes out with a prefix length, as flintlock wants it", () => {
  const nic = { device: "eth1", type: "tap", mac: "02:00:00:00:00:01", address: "10.0.0.5/24" } as const;
  const gatewayOf = (gateway: string): string | undefined =>
    requestToWire({ ...request, interfaces: [{ ...nic, gateway }] }).interfaces?.[0]?.address?.gateway;
  assert.equal(gatewayOf("10.0.0.1"), "10.0.0.1/24");
  assert.equal(gatewayOf("10.0.0.1/16"), "10.0.0.1/16");
});

test("identities are found in YAML however it is quoted, and not where there is none", () => {
  const rows: readonly [string, string | undefined][] = [
    ["machine_identity: abc-1\n", "abc-1"],
    ["a: b\nmachine_identity: 'x y'\nc: d", "x y"],
    ['machine_identity: "x" # comment', "x"],
    ['"machine_identity":  abc\r\n', "abc"],
    ["machine_identity:\nother: x", undefined],
    ["my_machine_identity: x", undefined],
    ["  nested_machine_identity: x", undefined],
    ["", undefined],
  ];
  for (const [text, identity] of rows) assert.equal(identityIn(text), identity, text);
});

test("endpoints: names, IPv4, IPv6 in brackets; nothing else", () => {
  for (const text of ["10.0.0.1:9090", "host-1.example:1", "[fd00::1]:65535", "dns:9090"]) {
    assert.equal(parseEndpoint(text).ok, true, text);
  }
  for (const text of [
    "10.0.0.1",
    "fd00::1:9090",
    "[10.0.0.1]:1",
    ":9090",
    "h:0",
    "h:65536",
    "unix:/x",
    "a b:1",
    "http://h:1",
    "",
  ]) {
    assert.equal(parseEndpoint(text).ok, false, text);
  }
});

test("accesses differ by what is sent and to whom, not by who asks", () => {
  const tls = { ca: Buffer.from("ca") };
  const all = [
    { endpoint: "a:1" },
    { endpoint: "a:2" },
    { endpoint: "a:1", token: "" },
    { endpoint: "a:1", token: "t" },
    { endpoint: "a:1", proxy: "t" },
    { endpoint: "a:1", tls },
    { endpoint: "a:1", tls: { ...tls, serverName: "x" } },
  ];
  assert.equal(new Set(all.map(accessFingerprint)).size, all.length);
  assert.equal(accessFingerprint({ endpoint: "a:1", owner: "x" }), accessFingerprint({ endpoint: "a:1", owner: "y" }));
});

test("failures: what came of the way, of our credentials, of doubt, and of the host", () => {
  const wire = (
    code: ConstructorParameters<typeof PlatformError>[0],
    message: string,
    grpcStatus: number,
  ): PlatformError => new PlatformError(code, message, { details: { grpcStatus } });
  const rows = [
    [wire("UNAVAILABLE", "Connection dropped", 14), "create", "CREATE_UNCERTAIN"],
    [wire("DEADLINE_EXCEEDED", "late", 4), "create", "CREATE_UNCERTAIN"],
    [wire("UNAVAILABLE", "Connection dropped", 14), "get", "HOST_UNREACHABLE"],
    [wire("DEADLINE_EXCEEDED", "late", 4), "list", "DEADLINE_EXCEEDED"],
    [wire("UNAUTHENTICATED", "invalid auth token", 16), "create", "HOST_REFUSED"],
    [wire("CAPABILITY_MISSING", "Received HTTP status code 404", 12), "facts", "HOST_UNREACHABLE"],
    [wire("INTERNAL", "creating microvm: microvm provider x isn't available", 2), "create", "PROVIDER_UNKNOWN"],
    [wire("MICROVM_NOT_FOUND", "pulling image x: not found", 2), "create", "IMAGE_NOT_FOUND"],
    [wire("MICROVM_NOT_FOUND", "spec store: not found", 2), "create", "INTERNAL"],
    [wire("IMAGE_NOT_FOUND", "image x not found", 5), "create", "IMAGE_NOT_FOUND"],
  ] as const;
  for (const [error, call, code] of rows) assert.equal(hostError(error, call, "h:1").code, code, error.message);
  assert.equal(isGone(wire("MICROVM_NOT_FOUND", "x", 5)), true);
  assert.equal(isGone(hostError(wire("MICROVM_NOT_FOUND", "microvm spec //x not found", 2), "get", "h:1")), true);
  assert.equal(isGone(wire("INTERNAL", "disk on fire", 2)), false);
});

test("a view knows what changed, what a list lacks, and names that are had twice", () => {
  const view = new HostView();
  const one = {
    uid: "1",
    namespace: "a",
    name: "x",
    state: "created",
    addresses: ["10.0.0.1"],
    labels: {},
    identity: "i",
  } as const;
  assert.equal(view.put(one), true);
  assert.equal(view.put({ ...one, addresses: ["10.0.0.1"] }), false);
  assert.equal(view.put({ ...one, addresses: [] }), true);
  view.put({ ...one, uid: "2" });
  view.put({ ...one, uid: "3", namespace: "b" });
  assert.deepEqual(
    view.named("a", "x").map(({ uid }) => uid),
    ["1", "2"],
  );
  assert.deepEqual(
    view.missing(new Set(["1"]), "a").map(({ uid }) => uid),
    ["2"],
  );
  assert.equal(view.identified, 3);
  view.remove("1");
  assert.deepEqual(
    view.named("a", "x").map(({ uid }) => uid),
    ["2"],
  );
  assert.equal(view.identified, 2);
});
