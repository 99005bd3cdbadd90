/** Wire to domain and back: what is kept, completed, normalised and refused. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { errorCatalogue, PlatformError, unwrap } from "@liquidmetal/foundation";
import { type MicroVmRecord, validateSpec } from "@liquidmetal/microvm";
import fc from "fast-check";
import { errorFromWire, errorText, exitCodeOf, grpcStatus, grpcStatusOf, httpStatusOf } from "./error-status.ts";
import {
  MicroVMSchema,
  MicroVMSpecSchema,
  MicroVMStatus_MicroVMState,
  Mount_MountType,
} from "./gen/types/microvm_pb.js";
import { messageFromJson, messageToJson } from "./json.ts";
import { normaliseMac } from "./mac-address.ts";
import { recordToWire } from "./record-to-wire.ts";
import { specFromWire } from "./spec-from-wire.ts";

const wire = create(MicroVMSpecSchema, {
  id: "vm1",
  namespace: "ns1",
  labels: { team: "a" },
  uid: "ignored",
  provider: "",
  kernel: { image: " registry.example/kernel:1\n", filename: "", cmdline: { ro: "" } },
  rootVolume: { id: "root", source: { containerSource: "registry.example/os:1" }, mountPoint: "", partitionId: "" },
  additionalVolumes: [{ id: "data", mountPoint: "/data", sizeInMb: 64, source: { containerSource: "d:1" } }],
  interfaces: [
    { deviceId: "eth1", type: 1, guestMac: "AA-BB-CC-DD-EE-0F", overrides: {} },
    { deviceId: "eth2", type: 0, guestMac: "", overrides: { bridgeName: "br7" }, address: { address: "10.0.0.2/24" } },
  ],
  metadata: { "user-data": "AAAA" },
});

function record(): MicroVmRecord {
  const spec = unwrap(validateSpec(specFromWire(wire)));
  return {
    uid: "01JZZZZZZZ0000000000000000",
    spec,
    desired: "running",
    version: 7,
    createdAtMs: 1_790_000_000_000,
    updatedAtMs: 1_790_000_001_000,
    phase: "running",
    reason: "",
    message: "",
    retry: { attempts: 2, notBeforeMs: 0 },
    made: {
      directory: "/d",
      runDirectory: "/r",
      vmmUserId: 0,
      provider: "qemu",
      kernel: { path: "/cache/vmlinux", imageDigest: "sha256:1" },
      volumes: {
        root: {
          id: "root",
          kind: "block",
          path: "/dev/mapper/x",
          format: "raw",
          readOnly: false,
          sizeBytes: 1,
          store: "s",
          imageDigest: "",
        },
      },
      interfaces: {
        eth1: {
          deviceId: "eth1",
          type: "tap",
          hostDevice: "lmtap1",
          hostIndex: 12,
          hostMac: "5e:00:00:00:00:0a",
          guestMac: "AA:bb:cc:dd:ee:0f",
          bridge: "br0",
          addresses: ["10.0.0.9/24"],
          nameservers: [],
          dhcp: true,
        },
      },
      vsockPath: "/r/v",
    },
    guest: { ready: true, readyAtMs: 1_790_000_002_000, addresses: ["10.0.0.9"] },
    bootGeneration: 0,
    boots: 1,
  };
}

describe("from the wire", () => {
  test("images are sanitised and reported, empty optionals are absent, overrides without a bridge are fine", () => {
    const reported: string[] = [];
    const spec = unwrap(validateSpec(specFromWire(wire, ({ field }) => reported.push(field))));
    assert.deepEqual(reported, ["kernel.image"]);
    assert.equal(spec.kernel.image, "registry.example/kernel:1");
    assert.equal(spec.kernel.filename, "boot/vmlinux");
    assert.equal(spec.provider, "");
    assert.deepEqual(spec.interfaces[0], { deviceId: "eth1", type: "tap", guestMac: "aa:bb:cc:dd:ee:0f" });
    assert.equal(spec.interfaces[1]?.bridgeName, "br7");
    assert.equal(spec.interfaces[1]?.type, "macvtap");
    assert.deepEqual(spec.labels, { team: "a" });
    assert.equal("mountPoint" in (spec.rootVolume ?? {}), false);
  });
  test("hardware addresses in Go's forms", () => {
    for (const form of ["AA:BB:CC:DD:EE:0F", "aa-bb-cc-dd-ee-0f", "AABB.CCDD.EE0F"]) {
      assert.equal(normaliseMac(form), "aa:bb:cc:dd:ee:0f");
    }
    for (const other of ["", "aa:bb", "aa:bb-cc:dd:ee:ff", "00:00:00:00:fe:80:00:00"])
      assert.equal(normaliseMac(other), other);
  });
});

describe("anything at all from the wire", () => {
  test("bytes that decode are accepted or refused, never a crash", () => {
    let decoded = 0;
    const whole = toBinary(MicroVMSpecSchema, wire);
    const damage = fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(damage, (changes) => {
        const bytes = Uint8Array.from(whole);
        for (const [at, value] of changes) bytes[at] = value;
        let message: typeof wire;
        try {
          message = fromBinary(MicroVMSpecSchema, bytes);
        } catch {
          return;
        }
        decoded++;
        const result = validateSpec(specFromWire(message));
        if (!result.ok) assert.equal(result.error.code, "SPEC_INVALID");
      }),
      { numRuns: 500 },
    );
    assert.ok(decoded > 50, `only ${decoded} of 500 were decoded at all`);
  });
  test("map keys that every object answers to are refused by name", () => {
    const message = create(MicroVMSpecSchema, { id: "x", kernel: { image: "k:1" } });
    Object.defineProperty(message.labels, "__proto__", { value: "v", enumerable: true });
    Object.assign(message.labels, { constructor: "c" });
    const result = validateSpec(specFromWire(fromBinary(MicroVMSpecSchema, toBinary(MicroVMSpecSchema, message))));
    assert.match(result.ok ? "" : result.error.message, /labels\["constructor"\]: the key must not be a reserved word/);
  });
});

describe("to the wire", () => {
  test("the projection is a superset of upstream's", () => {
    const { version, spec, status } = recordToWire(record());
    assert.equal(version, 7);
    assert.equal(spec?.uid, "01JZZZZZZZ0000000000000000");
    assert.equal(spec?.provider, "qemu");
    assert.deepEqual(spec?.labels, { team: "a" });
    assert.equal(spec?.createdAt?.seconds, 1_790_000_000n);
    assert.equal(spec?.additionalVolumes[0]?.mountPoint, "/data");
    assert.equal(spec?.interfaces[1]?.overrides?.bridgeName, "br7");
    assert.equal(spec?.interfaces[1]?.guestMac, "");
    assert.equal(spec?.rootVolume?.partitionId, "");
    assert.equal(spec?.rootVolume?.sizeInMb, 0);
    assert.equal(status?.state, MicroVMStatus_MicroVMState.CREATED);
    assert.equal(status?.retry, 2);
    assert.equal(status?.networkInterfaces["eth1"]?.macAddress, "5E:00:00:00:00:0A");
    assert.equal(status?.networkInterfaces["eth1"]?.guestMac, "aa:bb:cc:dd:ee:0f");
    assert.deepEqual(status?.volumes["root"]?.mount?.type, Mount_MountType.DEV);
    assert.equal(status?.kernelMount?.type, Mount_MountType.HOSTPATH);
    assert.equal(status?.ready, true);
    assert.deepEqual(status?.addresses, ["10.0.0.9"]);
    assert.equal(status?.phase, "running");
    assert.equal(status?.desiredState, "running");
  });
  test("what comes back can be sent again and means the same", () => {
    const again = recordToWire(record()).spec;
    assert.ok(again !== undefined);
    const spec = unwrap(validateSpec(specFromWire(again)));
    assert.deepEqual({ ...spec, provider: "" }, record().spec);
  });
  test("it survives the wire, and a peer that knows less skips what is ours", () => {
    const message = recordToWire(record());
    assert.deepEqual(fromBinary(MicroVMSchema, toBinary(MicroVMSchema, message)), message);
  });
});

describe("JSON", () => {
  test("unset plain messages are null at every depth, unset optionals are left out", () => {
    const json = JSON.stringify(messageToJson(MicroVMSchema, create(MicroVMSchema, { spec: { rootVolume: {} } })));
    assert.match(json, /"rootVolume":\{"id":"","isReadOnly":false,"source":null\}/);
    assert.match(json, /"status":null/);
    assert.doesNotMatch(json, /initrd/);
  });
  test("what is read is what was written", () => {
    fc.assert(
      fc.property(fc.string(), fc.dictionary(fc.string(), fc.string()), (id, labels) => {
        const message = create(MicroVMSpecSchema, { id: id.toWellFormed(), kernel: { image: "k" } });
        Object.assign(message.labels, labels);
        assert.equal(messageFromJson(MicroVMSpecSchema, messageToJson(MicroVMSpecSchema, message)).id, message.id);
      }),
      { numRuns: 50 },
    );
  });
});

describe("statuses", () => {
  test("every code of the catalogue has a failing status on each wire", () => {
    for (const code of Object.keys(errorCatalogue)) {
      const { code: known } = errorFromWire(2, "", code);
      assert.equal(known, code);
      assert.notEqual(grpcStatus[grpcStatusOf(known)], 0);
      assert.ok(httpStatusOf(known) >= 400);
      assert.ok(exitCodeOf(known) >= 1 && exitCodeOf(known) <= 6);
    }
  });
  test("the ones that scripts branch on", () => {
    assert.equal(exitCodeOf("SPEC_INVALID"), 2);
    assert.equal(exitCodeOf("MICROVM_NOT_FOUND"), 3);
    assert.equal(exitCodeOf("MICROVM_EXISTS"), 4);
    assert.equal(exitCodeOf("DEADLINE_EXCEEDED"), 5);
    assert.equal(exitCodeOf("UNAUTHENTICATED"), 6);
    assert.equal(grpcStatusOf("MICROVM_EXISTS"), "ALREADY_EXISTS");
    assert.equal(grpcStatusOf("CAPACITY_EXCEEDED"), "RESOURCE_EXHAUSTED");
    assert.equal(grpcStatusOf("MICROVM_DELETING"), "ABORTED");
    assert.equal(grpcStatusOf("CAPABILITY_MISSING"), "FAILED_PRECONDITION");
  });
  test("upstream's UNKNOWN with 'not found' in it is a microVM that is gone", () => {
    const text = "getting microvm: error attempting to locate microvm with uid: U: microvm spec //U not found";
    assert.equal(errorFromWire(2, text).code, "MICROVM_NOT_FOUND");
    assert.equal(errorFromWire(2, "creating microvm: something").code, "INTERNAL");
  });
  test("a text is bounded and keeps its remedy", () => {
    const text = errorText(new PlatformError("INTERNAL", "x".repeat(10_000), { remedy: "rest" }));
    assert.ok(encodeURI(text).length <= 7_000);
    assert.match(text, /\(hint: rest\)$/);
    for (const length of [4_080, 4_081]) {
      const smiles = new PlatformError("INTERNAL", `${"x".repeat(length % 2)}${"😀".repeat(length)}`, {
        remedy: "rest",
      });
      assert.ok(errorText(smiles).isWellFormed());
      assert.ok(encodeURI(errorText(smiles)).length <= 7_000);
    }
  });
});
