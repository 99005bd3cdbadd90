/** Errors, results, retry delays. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { attempt } from "./attempt.ts";
import { backoffDelayMs } from "./backoff.ts";
import { errorCatalogue } from "./error-catalogue.ts";
import { PlatformError } from "./platform-error.ts";
import { err, ok, unwrap } from "./result.ts";

test("every error says what it is and what to do", () => {
  for (const [code, { summary, remedy }] of Object.entries(errorCatalogue)) {
    assert.match(code, /^[A-Z]+(_[A-Z]+)*$/);
    assert.ok(summary !== "" && remedy !== "", code);
    assert.doesNotMatch(remedy, /\.$/);
  }
});

test("what is caught is normalised: ours stays, an abort is a cancellation, the rest is internal", () => {
  const ours = new PlatformError("DISK_FULL", "full", { retry: "backoff", details: { freeBytes: 1 } });
  assert.equal(PlatformError.from(ours), ours);
  assert.deepEqual([ours.kind, ours.retry, ours.details["freeBytes"]], ["exhausted", "backoff", 1]);
  assert.equal(PlatformError.from(new DOMException("stop", "AbortError")).code, "CANCELLED");
  const odd = PlatformError.from("odd", "NETWORK_FAILED", "making a tap");
  assert.deepEqual([odd.code, odd.message, odd.cause], ["NETWORK_FAILED", "making a tap: odd", "odd"]);
});

test("attempt turns our errors into values and lets defects through", async () => {
  assert.deepEqual(await attempt(async () => 1), ok(1));
  const error = new PlatformError("INTERNAL", "no");
  assert.deepEqual(await attempt(() => Promise.reject(error)), err(error));
  await assert.rejects(
    attempt(() => Promise.reject(new TypeError("defect"))),
    TypeError,
  );
  assert.throws(() => unwrap(err(error)), error);
});

test("retry delays grow, stay under their cap and never hit zero", () => {
  const fraction = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
  fc.assert(
    fc.property(fc.integer({ min: -5, max: 10_000 }), fraction, (attemptNumber, part) => {
      const delayMs = backoffDelayMs(attemptNumber, part, { baseMs: 100, capMs: 5_000 });
      const ceiling = Math.min(5_000, 100 * 2 ** Math.min(Math.max(attemptNumber, 1) - 1, 30));
      assert.ok(delayMs >= ceiling / 2 && delayMs <= ceiling);
    }),
  );
});
