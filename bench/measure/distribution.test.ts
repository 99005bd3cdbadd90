import assert from "node:assert/strict";
import { test } from "node:test";
import { distribution } from "./distribution.ts";

test("percentiles are nearest-rank over the sorted samples", () => {
  const values = Array.from({ length: 100 }, (_, index) => 100 - index);
  assert.deepEqual(distribution(values), { samples: 100, min: 1, p50: 50, p90: 90, p99: 99, max: 100 });
  assert.deepEqual(distribution([7]), { samples: 1, min: 7, p50: 7, p90: 7, p99: 7, max: 7 });
});

test("a figure without samples is refused", () => {
  assert.throws(() => distribution([]), /no samples/);
});
