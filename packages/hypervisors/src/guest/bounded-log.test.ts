import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { boundLog, tailOfLog } from "./bounded-log.ts";

describe("a bounded log", () => {
  const folder = mkdtempSync(join(tmpdir(), "lmt-log-"));
  after(() => rmSync(folder, { recursive: true, force: true }));

  it("is left alone below its cap, and moved aside in place beyond it", async () => {
    const path = join(folder, "console.log");
    writeFileSync(path, "short");
    await boundLog(path, 10);
    assert.equal(readFileSync(path, "utf8"), "short");
    const inode = statSync(path).ino;
    writeFileSync(path, "much longer than ten bytes");
    await boundLog(path, 10);
    assert.equal(readFileSync(path, "utf8"), "");
    assert.equal(statSync(path).ino, inode);
    assert.equal(readFileSync(`${path}.1`, "utf8"), " ten bytes");
  });

  it("never follows a link", async () => {
    const target = join(folder, "target");
    writeFileSync(target, "not yours to truncate");
    symlinkSync(target, join(folder, "linked.log"));
    await boundLog(join(folder, "linked.log"), 1);
    writeFileSync(join(folder, "own.log"), "long enough");
    symlinkSync(target, join(folder, "own.log.1"));
    await boundLog(join(folder, "own.log"), 1);
    assert.equal(readFileSync(target, "utf8"), "not yours to truncate");
    assert.equal(await tailOfLog(join(folder, "linked.log")), "");
  });

  it("gives its last lines for an error's text", async () => {
    const path = join(folder, "vmm.log");
    writeFileSync(path, "one\ntwo\nthree\nfour\nfive\n");
    assert.equal(await tailOfLog(path), "two; three; four; five");
    assert.equal(await tailOfLog(join(folder, "none")), "");
  });
});
