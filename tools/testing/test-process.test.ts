/** What the test runner makes of test files that pass, fail, skip, crash, leave, hang. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { setInterval } from "node:timers/promises";
import { runTier } from "./run-tier.ts";
import { runTestProcess, type TestProcessResult } from "./test-process.ts";
import type { Tier } from "./tiers.ts";

const fixture = (name: string): string => join(import.meta.dirname, "fixtures", `${name}.fixture.ts`);
const never = new AbortController().signal;
const run = (names: readonly string[], timeoutMs = 30_000): Promise<TestProcessResult> =>
  runTestProcess(names.map(fixture), { timeoutMs, signal: never, graceMs: 100 });
const counts = ({ passed, failures, skips }: TestProcessResult): readonly number[] => [
  passed,
  failures.length,
  skips.length,
];

/** Dead, or dead and not yet reaped by its new parent. */
function hasEnded(pid: number): boolean {
  if (!existsSync(`/proc/${pid}/stat`)) return true;
  return /\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
}

/** They were sent SIGKILL; the kernel takes a moment. */
async function ended(pids: readonly number[]): Promise<void> {
  const deadline = performance.now() + 10_000;
  for await (const _ of setInterval(20)) {
    if (pids.every(hasEnded)) return;
    assert.ok(performance.now() < deadline, "all processes of the test have ended");
  }
}

describe("a process with tests", { concurrency: true, timeout: 60_000 }, () => {
  test("is counted test by test; suites count only when they are skipped", async () => {
    const result = await run(["mixed"]);
    assert.deepEqual(counts(result), [2, 1, 3]);
    assert.equal(result.failures[0]?.title, "fails");
    assert.match(result.failures[0]?.detail ?? "", /Expected values to be strictly equal/);
    assert.deepEqual(
      result.skips.map((skip) => `${skip.title}: ${skip.detail}`),
      ["skipped: no such device", "a suite that is skipped: no such kernel", "finds out late: not on this machine"],
    );
  });

  test("may hold several files", async () => {
    assert.deepEqual(counts(await run(["mixed", "passes"])), [4, 1, 3]);
    assert.deepEqual(counts(await run(["crashes", "passes"])), [2, 1, 0]);
  });

  test("that crashes while loading has failed, and its output is kept", async () => {
    const result = await run(["crashes"]);
    assert.deepEqual(counts(result), [0, 1, 0]);
    assert.match(result.failures[0]?.title ?? "", /ended with exit code 1 before its tests did/);
    assert.match(result.output, /about to crash[\s\S]*crashed while loading/);
  });

  test("that leaves in the middle with exit code 0 has failed", async () => {
    const result = await run(["leaves"]);
    assert.equal(result.failures.length, 1);
    assert.match(result.failures[0]?.title ?? "", /ended with exit code 0 before its tests did|ended without telling/);
  });

  test("without a test has failed", async () => {
    const result = await run(["empty"]);
    assert.deepEqual(counts(result), [0, 1, 0]);
    assert.equal(result.failures[0]?.title, "ended without telling of any test");
  });

  test("whose hook fails has failed", async () => {
    const result = await run(["hook"]);
    assert.equal(result.passed, 0);
    assert.ok(result.failures.length >= 1);
    assert.match(result.failures.map((failure) => failure.detail).join(), /no machine to be had/);
  });

  test("that hangs is killed with all that it started, and the test is named", async () => {
    const result = await run(["hangs"], 2_500);
    assert.equal(result.passed, 1);
    assert.equal(result.failures.length, 1);
    assert.match(result.failures[0]?.title ?? "", /did not end in time/);
    assert.equal(result.failures[0]?.detail, "while in: hangs");
    const pids = /pids (\d+) (\d+)/.exec(result.output)?.slice(1).map(Number) ?? [];
    assert.equal(pids.length, 2);
    await ended(pids);
  });

  test("ends when the caller gives up", async () => {
    const caller = new AbortController();
    const ending = runTestProcess([fixture("hangs")], { timeoutMs: 60_000, signal: caller.signal, graceMs: 100 });
    caller.abort();
    const result = await ending;
    assert.match(result.failures[0]?.title ?? "", /was killed by SIG|ended with exit code/);
  });
});

describe("a tier", { timeout: 60_000 }, () => {
  test("says a line for each file, failure and skip, and sums up", async () => {
    const lines: string[] = [];
    const tier: Tier = {
      ...{ name: "sample", globs: [], concurrency: 2, files: "apart" },
      ...{ needs: [], images: [], timeoutMs: 30_000 },
    };
    const files = ["mixed", "passes", "crashes"].map(fixture);
    const outcome = await runTier(tier, files, (line) => lines.push(line), never);
    assert.deepEqual(outcome, { passed: 4, failed: 2, skipped: 3 });
    const text = lines.join("\n");
    assert.match(text, /^── sample: 3 files$/m);
    assert.match(text, /^ {2}✔ \S*passes\.fixture\.ts \(2 passed, [\d.]+ s\)$/m);
    assert.match(text, /^ {2}✘ \S*mixed\.fixture\.ts \(2 passed, [\d.]+ s\)$/m);
    assert.match(text, /^ {2}✘ fails \(\S*mixed\.fixture\.ts:6\)$/m);
    assert.match(text, /^ {2}skipped: skipped: no such device \(/m);
    assert.match(text, /about to crash/);
    assert.match(text, /^ {3}sample: 4 passed, 2 failed, 3 skipped in \d+ s$/m);
  });
});
