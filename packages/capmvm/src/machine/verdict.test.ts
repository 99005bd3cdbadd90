/** From the host's word to the status: every state as a row; whose a microVM is; what a failed create means; what is worth a write. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type ErrorCode, errorCatalogue, PlatformError } from "@liquidmetal/foundation";
import { findCondition } from "@liquidmetal/kubernetes";
import type { MicrovmMachine, MicrovmMachineStatus } from "../api/index.ts";
import type { HostMicroVm } from "../hosts/host.ts";
import { refusalOf } from "./create-refusal.ts";
import { both, type Findings, found } from "./findings.ts";
import { statusAfter } from "./machine-status.ts";
import { isOwn, sortMicroVms } from "./ownership.ts";
import { verdictOn, verdictOnMissing } from "./verdict.ts";

const microVm = (more: Partial<HostMicroVm> = {}): HostMicroVm => ({
  uid: "U1",
  namespace: "ns",
  name: "m-1",
  state: "created",
  addresses: [],
  labels: {},
  identity: "i-1",
  ...more,
});

describe("what a host tells of a microVM", () => {
  type Row = readonly [Partial<HostMicroVm>, seenBefore: boolean, string, status: string, vmState: string, RegExp?];
  const rows: readonly Row[] = [
    [{ state: "created" }, false, "Provisioned", "True", "running"],
    [{ state: "created", phase: "running" }, false, "Provisioned", "True", "running"],
    [
      { state: "created", phase: "stopped" },
      false,
      "Pending",
      "False",
      "stopped",
      /calls it created, but it is stopped/,
    ],
    [{ state: "created", phase: "stopped", message: "it ended" }, true, "NotRunning", "False", "stopped", /it ended/],
    [{ state: "created", phase: "paused" }, true, "NotRunning", "False", "stopped", /paused/],
    [{ state: "pending", phase: "preparing" }, false, "Pending", "False", "pending", /making it/],
    [
      { state: "pending", reason: "VmmCrashed", message: "exit 1" },
      true,
      "Pending",
      "False",
      "pending",
      /^VmmCrashed: exit 1$/,
    ],
    [{ state: "failed" }, false, "Failed", "False", "failed", /no reason/],
    [
      { state: "failed", reason: "ImageNotFound", message: "no os:1" },
      false,
      "Failed",
      "False",
      "failed",
      /ImageNotFound: no os:1.*once that has changed/,
    ],
    [
      { state: "failed", reason: "SpecInvalid", message: "vcpu" },
      false,
      "Failed",
      "False",
      "failed",
      /will not mend by itself/,
    ],
    [{ state: "failed", reason: "HypervisorFailed" }, true, "Failed", "False", "failed", /tries again$/],
    [{ state: "failed", reason: "constructor" }, true, "Failed", "False", "failed", /^constructor$/],
    [{ state: "deleting" }, true, "Deleting", "False", "deleting", /not by us/],
    [{ state: "unknown" }, true, "UnknownState", "False", "unknown", /not known/],
  ];
  for (const [told, provisioned, reason, status, vmState, words] of rows) {
    test(`${JSON.stringify(told)}${provisioned ? ", seen running before" : ""}: ${reason}`, () => {
      const verdict = verdictOn(microVm(told), { hostname: "m-1", endpoint: "h:1", provisioned });
      const condition = verdict.conditions.VMProvisioned;
      assert.deepEqual([condition?.reason, condition?.status, verdict.vmState], [reason, status, vmState]);
      assert.equal(verdict.provisioned === true, reason === "Provisioned");
      assert.match(condition?.message ?? "", words ?? /^$/);
      assert.equal(verdict.failureDomain, "h:1");
    });
  }

  test("addresses: the name, then what the guest has, without prefixes, repeats and link-local ones", () => {
    const told = microVm({
      addresses: ["10.0.0.5/24", "10.0.0.5", "169.254.0.2", "fe80::1", "fd00::5", "", "x".repeat(300)],
    });
    const { addresses } = verdictOn(told, { hostname: "m-1", endpoint: "h:1", provisioned: true });
    assert.deepEqual(addresses, [
      { type: "Hostname", address: "m-1" },
      { type: "InternalIP", address: "10.0.0.5" },
      { type: "InternalIP", address: "fd00::5" },
    ]);
    const many = Array.from({ length: 100 }, (_, index) => `10.0.0.${index}`);
    assert.equal(
      verdictOn(microVm({ addresses: many }), { hostname: "m", endpoint: "h", provisioned: true }).addresses?.length,
      32,
    );
  });

  test("the guest's own word is for information", () => {
    const of = (guestReady?: boolean): string | undefined =>
      verdictOn(microVm(guestReady === undefined ? {} : { guestReady }), {
        hostname: "m",
        endpoint: "h",
        provisioned: true,
      }).conditions.GuestReady?.reason;
    assert.deepEqual([of(), of(true), of(false)], ["NotReported", "GuestReady", "GuestNotReady"]);
  });

  test("long words are cut", () => {
    const long = verdictOn(microVm({ state: "failed", message: "x".repeat(100_000) }), {
      hostname: "m",
      endpoint: "h",
      provisioned: false,
    });
    assert.ok((long.conditions.VMProvisioned?.message.length ?? 0) < 3_000);
  });
});

describe("whose microVM it is", () => {
  const owner = { namespace: "ns", name: "m-1", identity: "i-1" };
  const recorded = { ...owner, recordedUid: "U1" };
  const { identity: _, ...upstream } = microVm();
  const rows: readonly (readonly [string, HostMicroVm, boolean, typeof owner])[] = [
    ["name and identity", microVm(), true, owner],
    ["another identity", microVm({ identity: "i-2" }), false, owner],
    ["another identity, though recorded", microVm({ identity: "i-2" }), false, recorded],
    ["another name", microVm({ name: "m-2" }), false, recorded],
    ["another namespace", microVm({ namespace: "other" }), false, recorded],
    ["upstream's, recorded", upstream, true, recorded],
    ["upstream's, not recorded", upstream, false, owner],
    ["upstream's, another one is recorded", { ...upstream, uid: "U2" }, false, recorded],
  ];
  for (const [name, one, expected, who] of rows) test(name, () => assert.equal(isOwn(who, one), expected));

  test("of several the recorded one; of unrecorded ones the most advanced, then the oldest", () => {
    const all = [
      microVm({ uid: "U3", state: "pending" }),
      microVm({ uid: "U2", state: "created" }),
      microVm({ uid: "U1", state: "created" }),
      microVm({ uid: "X", identity: "i-2" }),
    ];
    const uids = (list: readonly HostMicroVm[]): string[] => list.map(({ uid }) => uid);
    const unrecorded = sortMicroVms(owner, all);
    assert.equal(unrecorded.own?.uid, "U1");
    assert.deepEqual([uids(unrecorded.others), uids(unrecorded.strangers)], [["U2", "U3"], ["X"]]);
    assert.equal(sortMicroVms({ ...owner, recordedUid: "U3" }, all).own?.uid, "U3");
    const edited = sortMicroVms({ ...owner, recordedUid: "U9" }, all);
    assert.equal(edited.own, undefined);
    assert.equal(edited.others.length, 3);
  });
});

describe("a create that failed", () => {
  const rows: Readonly<Partial<Record<ErrorCode, string>>> = {
    HOST_UNREACHABLE: "not-sent CreateFailed",
    CREATE_UNCERTAIN: "uncertain CreateFailed",
    DEADLINE_EXCEEDED: "uncertain CreateFailed",
    INTERNAL: "uncertain CreateFailed",
    CAPACITY_EXCEEDED: "other-host NoHostFits",
    DISK_FULL: "other-host NoHostFits",
    CAPABILITY_MISSING: "other-host NoHostFits",
    PROVIDER_UNKNOWN: "other-host NoHostFits",
    HOST_REFUSED: "again WaitingForHost",
    MICROVM_EXISTS: "again NameTaken",
    MICROVM_DELETING: "again CreateFailed",
    QUEUE_FULL: "again CreateFailed",
    IMAGE_NOT_FOUND: "again CreateFailed",
    SPEC_INVALID: "final CreateRefused",
    REQUEST_INVALID: "final CreateRefused",
  };
  for (const code of Object.keys(rows) as ErrorCode[]) {
    test(`${code}: ${rows[code]}`, () => {
      const refusal = refusalOf(new PlatformError(code, "the host's words"), "h:1");
      const condition = refusal?.findings.conditions.VMProvisioned;
      assert.equal(`${refusal?.kind} ${condition?.reason}`, rows[code]);
      assert.match(condition?.message ?? "", /^h:1: the host's words/);
    });
  }

  test("every code of the catalogue has an answer, and a defect has none", () => {
    for (const code of Object.keys(errorCatalogue) as ErrorCode[]) {
      assert.ok(refusalOf(new PlatformError(code, "no"), "h:1") !== undefined, code);
    }
    assert.equal(refusalOf(new TypeError("defect"), "h:1"), undefined);
  });
});

describe("the status", () => {
  const machine = (status?: MicrovmMachineStatus): MicrovmMachine =>
    ({
      metadata: { name: "m-1", namespace: "ns", generation: 3 },
      spec: {},
      ...(status === undefined ? {} : { status }),
    }) as MicrovmMachine;
  const running: Findings = both(
    found("HostReachable", "True", "Reachable"),
    verdictOn(microVm(), { hostname: "m-1", endpoint: "h:1", provisioned: false }),
  );
  const ready = (status: MicrovmMachineStatus | undefined): string => {
    const { status: is, reason, message } = findCondition(status?.conditions, "Ready") ?? {};
    return `${is} ${reason} ${message}`;
  };

  test("is written once; the same findings again are no write, whatever the generation or the order of what is there", () => {
    const first = statusAfter(machine(), running, 1_000);
    assert.ok(first !== undefined);
    assert.equal(first.initialization?.provisioned, true);
    assert.equal(ready(first), "True Ready ");
    const stored = { ...first, conditions: [...(first.conditions ?? [])].toReversed() };
    const later = { ...machine(stored), metadata: { generation: 4 } };
    assert.equal(statusAfter(later, running, 99_000), undefined);
  });

  test("the time of a condition moves with its status only", () => {
    const first = statusAfter(machine(), found("VMProvisioned", "False", "Pending"), 1_000);
    const second = statusAfter(machine(first), found("VMProvisioned", "False", "Failed", "no"), 61_000);
    const third = statusAfter(machine(second), running, 121_000);
    const at = (status: MicrovmMachineStatus | undefined): string | undefined =>
      findCondition(status?.conditions, "VMProvisioned")?.lastTransitionTime;
    assert.deepEqual(
      [at(first), at(second), at(third)],
      ["1970-01-01T00:00:01Z", "1970-01-01T00:00:01Z", "1970-01-01T00:02:01Z"],
    );
  });

  test("provisioned stays true, and what was not looked at stays as it was", () => {
    const first = statusAfter(machine(), running, 1_000);
    const gone = statusAfter(machine(first), verdictOnMissing("h:1", "U1"), 2_000);
    assert.equal(gone?.initialization?.provisioned, true);
    assert.equal(findCondition(gone?.conditions, "HostReachable")?.status, "True");
    assert.match(ready(gone), /^False NotReady VMProvisioned: h:1 has no microVM U1/);
  });

  test("Ready says the one thing that is waited for", () => {
    const bootstrap = both(
      found("BootstrapDataAvailable", "False", "SecretMissing", "no secret s"),
      found("VMProvisioned", "False", "WaitingForBootstrapData", "x"),
    );
    const host = both(
      found("HostReachable", "False", "Unreachable", "h:1 is silent"),
      found("VMProvisioned", "False", "WaitingForHost", "x"),
    );
    assert.equal(ready(statusAfter(machine(), bootstrap, 1)), "False NotReady BootstrapDataAvailable: no secret s");
    assert.equal(ready(statusAfter(machine(), host, 1)), "False NotReady HostReachable: h:1 is silent");
    assert.equal(
      ready(statusAfter(machine(), both(running, found("HostReachable", "False", "Unreachable", "h:1 is silent")), 1)),
      "Unknown ReadyUnknown HostReachable: h:1 is silent",
    );
    assert.equal(
      ready(statusAfter(machine(), both(running, found("Deleting", "True", "WaitingForVM", "it goes")), 1)),
      "False Deleting Deleting: it goes",
    );
    assert.equal(
      ready(statusAfter(machine(), { conditions: {} }, 1)),
      "Unknown ReadyUnknown VMProvisioned: not looked at yet",
    );
  });

  test("conditions of others are neither compared nor written", () => {
    const foreign = {
      type: "Theirs",
      status: "True",
      reason: "So",
      message: "",
      lastTransitionTime: "2026-01-01T00:00:00Z",
    } as const;
    const first = statusAfter(machine({ conditions: [foreign] }), running, 1_000);
    assert.equal(findCondition(first?.conditions, "Theirs"), undefined);
    assert.equal(
      statusAfter(machine({ ...first, conditions: [foreign, ...(first?.conditions ?? [])] }), running, 5_000),
      undefined,
    );
  });
});
