import assert from "node:assert/strict";
import { test } from "node:test";
import { Coalescer } from "./coalescer.ts";

test("what is asked for during a run goes together into the next, each gets its own answer", async () => {
  const batches: number[][] = [];
  const coalescer = new Coalescer<number, number>(async (requests) => {
    batches.push([...requests]);
    await new Promise((resolve) => setImmediate(resolve));
    return requests.map((request) => request * 10);
  });
  const first = coalescer.ask(1);
  await Promise.resolve();
  await Promise.resolve();
  assert.deepEqual(await Promise.all([first, coalescer.ask(2), coalescer.ask(3)]), [10, 20, 30]);
  assert.deepEqual(batches, [[1], [2, 3]]);
});

test("a batch is bounded; a failed run fails its own and the next goes on", async () => {
  let runs = 0;
  const coalescer = new Coalescer<number, number>(async (requests) => {
    runs++;
    if (requests.includes(1)) throw new Error("no");
    return requests;
  }, 2);
  const outcomes = await Promise.allSettled([1, 2, 3, 4].map((request) => coalescer.ask(request)));
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    ["rejected", "rejected", "fulfilled", "fulfilled"],
  );
  assert.equal(runs, 2);
});
