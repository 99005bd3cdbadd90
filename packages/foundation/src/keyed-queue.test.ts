import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { FakeClock } from "./fake-clock.ts";
import { KeyedQueue } from "./keyed-queue.ts";

/** A queue whose runs end when the test says so. */
function heldQueue(concurrency = 2) {
  const clock = new FakeClock();
  const started: string[] = [];
  const ends = new Map<string, PromiseWithResolvers<void>>();
  const signals = new Map<string, AbortSignal>();
  const defects: unknown[] = [];
  const queue = new KeyedQueue({
    clock,
    concurrency,
    work: async (key, signal) => {
      started.push(key);
      signals.set(key, signal);
      const end = Promise.withResolvers<void>();
      ends.set(key, end);
      await end.promise;
    },
    onDefect: (_key, error) => defects.push(error),
  });
  const end = async (key: string): Promise<void> => {
    ends.get(key)?.resolve();
    await clock.advance(0);
  };
  return { clock, queue, started, ends, end, signals, defects };
}

test("runs at most so many keys at once, in the order in which they came", async () => {
  const { queue, started, end } = heldQueue(2);
  for (const key of ["a", "b", "c", "a"]) queue.add(key);
  assert.deepEqual([started, queue.depth, queue.active], [["a", "b"], 1, 2]);
  await end("b");
  assert.deepEqual(started, ["a", "b", "c"]);
  await end("c");
  await end("a");
  assert.deepEqual(started, ["a", "b", "c", "a"]);
});

test("a key added while it runs runs once more, however often it was added", async () => {
  const { queue, started, end } = heldQueue();
  queue.add("a");
  for (let times = 0; times < 5; times++) queue.add("a");
  await end("a");
  await end("a");
  await queue.idle();
  assert.deepEqual(started, ["a", "a"]);
});

test("the earliest delay wins, and add beats them all", async () => {
  const { clock, queue, started, end } = heldQueue();
  queue.addAfter("a", 500);
  queue.addAfter("a", 100);
  queue.addAfter("a", 900);
  await clock.advance(99);
  assert.deepEqual(started, []);
  await clock.advance(1);
  assert.deepEqual(started, ["a"]);
  await end("a");
  queue.addAfter("a", 500);
  queue.add("a");
  assert.equal(started.length, 2);
  await end("a");
  await clock.advance(1_000);
  assert.equal(started.length, 2);
});

test("interrupt aborts the run in progress, close aborts all and waits for their end", async () => {
  const { queue, end, signals, started } = heldQueue();
  queue.interrupt("a", "nothing runs");
  queue.add("a");
  queue.interrupt("a", "stop");
  assert.equal(signals.get("a")?.reason, "stop");
  queue.add("b");
  queue.add("c");
  let closed = false;
  const closing = queue.close("end").then(() => {
    closed = true;
  });
  assert.equal(signals.get("b")?.reason, "end");
  await end("a");
  assert.equal(closed, false);
  await end("b");
  await closing;
  queue.add("d");
  queue.addAfter("e", 0);
  assert.deepEqual(started, ["a", "b"]);
});

test("work that throws is reported, and the queue goes on", async () => {
  const { queue, started, ends, end, defects, clock } = heldQueue(1);
  queue.add("a");
  queue.add("b");
  ends.get("a")?.reject(new Error("defect"));
  await clock.advance(0);
  assert.equal(defects.length, 1);
  assert.deepEqual(started, ["a", "b"]);
  await end("b");
  await queue.idle();
});

test("whatever is added, no key runs twice at once, the bound holds, and all is worked off", async () => {
  const action = fc.record({
    key: fc.integer({ min: 0, max: 5 }),
    delayMs: fc.integer({ min: 0, max: 20 }),
    workMs: fc.nat(10),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(action, { maxLength: 30 }),
      fc.integer({ min: 1, max: 4 }),
      async (actions, concurrency) => {
        const clock = new FakeClock();
        const running = new Set<string>();
        const done = new Set<string>();
        const queue = new KeyedQueue({
          clock,
          concurrency,
          work: async (key) => {
            assert.ok(!running.has(key));
            running.add(key);
            assert.ok(running.size <= concurrency);
            await new Promise<void>((resolve) => clock.timer(actions[0]?.workMs ?? 1, resolve));
            running.delete(key);
            done.add(key);
          },
          onDefect: (_key, error) => {
            throw error;
          },
        });
        for (const { key, delayMs } of actions) {
          if (delayMs === 0) queue.add(String(key));
          else queue.addAfter(String(key), delayMs);
        }
        await clock.advance(1_000);
        assert.deepEqual([...done].sort(), [...new Set(actions.map(({ key }) => String(key)))].sort());
      },
    ),
    { numRuns: 60 },
  );
});
