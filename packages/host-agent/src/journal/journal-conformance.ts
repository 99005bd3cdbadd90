/** What every journal has to do, real or fake: one suite, run on each. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Journal, MicroVmRecord, NewEvent } from "@liquidmetal/microvm";

export interface JournalUnderTest {
  /** Opens the same storage again and again; the storage begins empty. */
  open(eventsMax?: number): Journal;
  /** Makes the storage full, or gives it room again. */
  setFull(full: boolean): void;
  [Symbol.dispose](): void;
}

export function journalConformance(name: string, make: () => JournalUnderTest): void {
  describe(`journal: ${name}`, () => {
    const check = (title: string, work: (subject: JournalUnderTest) => void): void => {
      test(title, () => {
        using subject = make();
        work(subject);
      });
    };
    check("keeps records as they were, over reopening", keepsRecords);
    check("events have growing positions that are never used twice", keepsPositions);
    check("keeps events up to its bound, the newest", boundsEvents);
    check("filters events", filtersEvents);
    check("keeps settings", keepsSettings);
    check("is open once at a time", locks);
    check("a full disk is an error, and nothing is half-written", survivesFullDisk);
  });
}

export const sampleRecord = (uid: string, version = 1, padding = ""): MicroVmRecord => ({
  uid,
  version,
  desired: "running",
  createdAtMs: 1,
  updatedAtMs: 2,
  phase: "pending",
  reason: "",
  message: padding,
  retry: { attempts: 0, notBeforeMs: 0 },
  guest: { ready: false, addresses: [] },
  bootGeneration: 1,
  boots: 0,
  made: { directory: "/d", runDirectory: "/r", vmmUserId: 0, provider: "fake", volumes: {}, interfaces: {} },
  spec: {
    namespace: "default",
    name: "größe ✓ ' \" \\ \u2028",
    labels: { a: "b" },
    provider: "",
    vcpu: 1,
    memoryMiB: 1,
    kernel: { image: "k", filename: "f", cmdline: { quiet: "" }, addNetworkConfig: true },
    additionalVolumes: [],
    interfaces: [],
    metadata: { "user-data": "c2VjcmV0" },
    allowGuestAgent: false,
  },
});

const event = (uid: string, reason = "Reason"): NewEvent => {
  return {
    atMs: 1_790_000_000_000,
    uid,
    namespace: "ns",
    name: "n",
    severity: "warning",
    reason,
    message: "what; why",
  };
};

function keepsRecords(subject: JournalUnderTest): void {
  const first = subject.open();
  assert.deepEqual(first.load(), []);
  first.commit(sampleRecord("B"));
  first.commit(sampleRecord("A"), [event("A")]);
  first.commit(sampleRecord("B", 2), [], "relaxed");
  first.commit(sampleRecord("C"));
  first.forget("C", [event("C")]);
  first.forget("never-was");
  first.close();
  const second = subject.open();
  assert.deepEqual(second.load(), [sampleRecord("A"), sampleRecord("B", 2)]);
  second.close();
}

function keepsPositions(subject: JournalUnderTest): void {
  const first = subject.open(2);
  assert.deepEqual([first.firstPosition(), first.lastPosition()], [0, 0]);
  assert.deepEqual(first.commit(sampleRecord("A"), [event("A"), event("A", "Other")]), [
    { position: 1, ...event("A") },
    { position: 2, ...event("A", "Other") },
  ]);
  first.forget("A", [event("A")]);
  first.close();
  const second = subject.open(2);
  assert.equal(second.lastPosition(), 3);
  assert.equal(second.commit(sampleRecord("B"), [event("B")])[0]?.position, 4);
  assert.deepEqual([second.firstPosition(), second.lastPosition()], [3, 4]);
  second.close();
}

function boundsEvents(subject: JournalUnderTest): void {
  const journal = subject.open(10);
  for (let count = 0; count < 35; count++) journal.commit(sampleRecord("A", count + 1), [event("A")]);
  const kept = journal.events({});
  assert.deepEqual([kept.length, kept[0]?.position, kept.at(-1)?.position], [10, 26, 35]);
  assert.equal(journal.firstPosition(), 26);
  journal.close();
}

function filtersEvents(subject: JournalUnderTest): void {
  const journal = subject.open();
  for (const uid of ["A", "B", "A", "B", "A"]) journal.commit(sampleRecord(uid), [event(uid)]);
  const positions = (filter: Parameters<Journal["events"]>[0]) =>
    journal.events(filter).map(({ position }) => position);
  assert.deepEqual(positions({ uid: "A" }), [1, 3, 5]);
  assert.deepEqual(positions({ uid: "A", afterPosition: 1, limit: 1 }), [3]);
  assert.deepEqual(positions({ afterPosition: 3 }), [4, 5]);
  assert.deepEqual(positions({ uid: "nobody" }), []);
  journal.close();
}

function keepsSettings(subject: JournalUnderTest): void {
  const first = subject.open();
  assert.equal(first.setting("host-id"), undefined);
  first.setSetting("host-id", "one");
  first.setSetting("host-id", "two");
  first.close();
  const second = subject.open();
  assert.equal(second.setting("host-id"), "two");
  second.close();
}

function locks(subject: JournalUnderTest): void {
  const first = subject.open();
  assert.throws(() => subject.open(), { code: "STATE_LOCKED" });
  first.close();
  first.close();
  subject.open().close();
}

function survivesFullDisk(subject: JournalUnderTest): void {
  const journal = subject.open();
  journal.commit(sampleRecord("A"), [event("A")]);
  subject.setFull(true);
  const padding = "x".repeat(1_000_000);
  assert.throws(() => journal.commit(sampleRecord("A", 2, padding), [event("A"), event("A")]), { code: "DISK_FULL" });
  assert.throws(() => journal.commit(sampleRecord("B", 1, padding)), { code: "DISK_FULL" });
  assert.deepEqual([journal.load(), journal.lastPosition(), journal.events({}).length], [[sampleRecord("A")], 1, 1]);
  subject.setFull(false);
  assert.equal(journal.commit(sampleRecord("A", 2, padding), [event("A")])[0]?.position, 2);
  assert.deepEqual(journal.load(), [sampleRecord("A", 2, padding)]);
  journal.close();
}
