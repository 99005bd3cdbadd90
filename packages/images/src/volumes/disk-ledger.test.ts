import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { FakeClock } from "@liquidmetal/foundation";
import { DiskLedger, type LedgerEntry } from "./disk-ledger.ts";

let directory: string;
before(async () => {
  directory = await mkdtemp(join(tmpdir(), "lm-ledger-"));
});
after(() => rm(directory, { recursive: true, force: true }));

const entry = (owner: string, sizeBytes: number): LedgerEntry => ({
  ...{ owner, volumeId: "../root", baseKey: "b", imageDigest: "d", format: "raw", readOnly: false },
  path: join(directory, `volume-${owner}`),
  sizeBytes,
});

test("promises count until they are written, survive a restart, and end", async () => {
  const options = {
    directory: join(directory, "ledger"),
    reserveBytes: 0,
    overcommitFactor: 1,
    clock: new FakeClock(),
  };
  const ledger = await DiskLedger.open(options);
  await ledger.promise(entry("one", 1_000_000));
  await ledger.promise(entry("two", 2_000_000));
  assert.equal(await ledger.outstandingBytes(), 3_000_000);
  await ledger.promise(entry("never-made", 3_000_000));
  await writeFile(entry("one", 0).path, "");
  await writeFile(entry("two", 0).path, Buffer.alloc(409_600, 1));
  const again = await DiskLedger.open(options);
  assert.equal(await again.outstandingBytes(), 2_590_400);
  assert.equal(again.usersOf("b"), 2);
  await again.forget("one", "../root");
  await again.forget("one", "../root");
  assert.equal(again.usersOf("b"), 1);
  assert.equal(await again.outstandingBytes(), 1_590_400);
});

test("of many who ask at once, no more are admitted than fit", async () => {
  const probe = await DiskLedger.open({
    directory: join(directory, "crowd"),
    reserveBytes: 0,
    overcommitFactor: 1,
    clock: new FakeClock(),
  });
  const { freeBytes } = await probe.space();
  const third = Math.floor(freeBytes / 3.5);
  const results = await Promise.allSettled(
    Array.from({ length: 10 }, (_, index) => probe.promise(entry(`c${index}`, third))),
  );
  assert.equal(results.filter((one) => one.status === "fulfilled").length, 3);
  for (const one of results) if (one.status === "rejected") assert.equal(one.reason.code, "DISK_FULL");
});
