import assert from "node:assert/strict";
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { logLimitBytes, openLog, rotateLog } from "./log-file.ts";

describe("the log of a process that outlives us", () => {
  let directory: string;
  let path: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "lm-log-"));
    path = join(directory, "log", "part.log");
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  test("is rotated when it is larger than 10 MiB, and its writer goes on at the beginning", () => {
    const log = openLog(path);
    writeSync(log.descriptor, "x".repeat(logLimitBytes));
    assert.equal(rotateLog(path), false, "exactly at the limit");
    writeSync(log.descriptor, "!");
    assert.equal(rotateLog(path), true);
    writeSync(log.descriptor, "next\n");
    assert.equal(readFileSync(path, "utf8"), "next\n");
    assert.equal(statSync(`${path}.1`).size, logLimitBytes + 1);
    log.close();
  });

  test("keeps three old ones, the newest first, for its owner only", () => {
    openLog(path).close();
    for (const text of ["one", "two", "three", "four"]) {
      appendFileSync(path, text);
      assert.equal(rotateLog(path, 2), true);
    }
    const old = [1, 2, 3].map((generation) => readFileSync(`${path}.${generation}`, "utf8"));
    assert.deepEqual(old, ["four", "three", "two"]);
    assert.equal(existsSync(`${path}.4`), false);
    assert.equal(statSync(`${path}.1`).mode & 0o777, 0o600);
  });

  test("that is not there is no mistake", () => assert.equal(rotateLog(join(directory, "none")), false));
});
