import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { DiskReserve, reserveBytes } from "./disk-reserve.ts";

test("the reserve is held, given up once, and taken again", () => {
  const directory = mkdtempSync(join(tmpdir(), "lm-reserve-"));
  try {
    const path = join(directory, "journal.db.reserve");
    const reserve = new DiskReserve(path);
    const { size, blocks, mode } = statSync(path);
    assert.deepEqual([size, mode & 0o777], [reserveBytes, 0o600]);
    assert.ok(blocks * 512 >= reserveBytes || blocks === 0, "the room is really taken");
    assert.deepEqual([reserve.release(), reserve.release(), existsSync(path)], [true, false, false]);
    assert.equal(reserve.hold(), true);
    // The next agent finds it there.
    assert.equal(new DiskReserve(path).release(), true);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

test("without room there is no reserve, and nothing is left of the attempt", () => {
  const reserve = new DiskReserve("/proc/liquidmetal/reserve");
  assert.deepEqual([reserve.hold(), reserve.release()], [false, false]);
});
