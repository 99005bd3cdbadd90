/** Everything that waits: semaphore, sleep, deadline, and the fake clock that moves them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { sleep } from "./clock.ts";
import { withDeadline } from "./deadline.ts";
import { FakeClock } from "./fake-clock.ts";
import { PlatformError } from "./platform-error.ts";
import { Semaphore } from "./semaphore.ts";

test("the fake clock fires in order, also timers that are set by timers", async () => {
  const clock = new FakeClock(1_000);
  const fired: string[] = [];
  clock.timer(20, () => fired.push("20"));
  clock.timer(10, () => {
    fired.push("10");
    clock.timer(5, () => fired.push("15"));
  });
  clock.timer(10, () => fired.push("10 too"));
  clock.timer(12, () => fired.push("never")).cancel();
  await clock.advance(19);
  assert.deepEqual(fired, ["10", "10 too", "15"]);
  assert.deepEqual([clock.monotonicMs(), clock.nowMs(), clock.pendingTimers], [19, 1_019, 1]);
  clock.jumpWall(-500);
  await clock.advance(1);
  assert.deepEqual([fired.at(-1), clock.monotonicMs(), clock.nowMs()], ["20", 20, 520]);
});

test("sleep ends with its signal", async () => {
  const clock = new FakeClock();
  const controller = new AbortController();
  const sleeping = sleep(clock, 1_000, controller.signal);
  controller.abort(new Error("enough"));
  await assert.rejects(sleeping, /enough/);
  assert.equal(clock.pendingTimers, 0);
  await assert.rejects(sleep(clock, 1, controller.signal), /enough/);
});

test("a deadline aborts the work, names what was waited for, and does not wait for the deaf", async () => {
  const clock = new FakeClock();
  let seen: AbortSignal | undefined;
  const waiting = withDeadline({ clock, timeoutMs: 50, waitingFor: "godot" }, (signal) => {
    seen = signal;
    return new Promise<never>(() => undefined);
  });
  const failed = assert.rejects(waiting, { code: "DEADLINE_EXCEEDED", message: "waited 50 ms for godot" });
  await clock.advance(50);
  await failed;
  assert.ok(seen?.aborted);
});

test("a deadline passes the caller's signal on, and leaves no timer behind", async () => {
  const clock = new FakeClock();
  const controller = new AbortController();
  const options = { clock, timeoutMs: 50, waitingFor: "it", signal: controller.signal };
  assert.equal(await withDeadline(options, async () => 7), 7);
  assert.equal(clock.pendingTimers, 0);
  const waiting = withDeadline(options, () => new Promise<never>(() => undefined));
  controller.abort(new PlatformError("CANCELLED", "no longer wanted"));
  await assert.rejects(waiting, { code: "CANCELLED" });
  await assert.rejects(
    withDeadline(options, () => Promise.resolve(1)),
    { code: "CANCELLED" },
  );
  assert.equal(clock.pendingTimers, 0);
});

test("a semaphore lets so many in, first come first served, and refuses when the line is full", async () => {
  const semaphore = new Semaphore(1, 2);
  const first = Promise.withResolvers<void>();
  const order: string[] = [];
  const runs = [
    semaphore.run(() => first.promise),
    semaphore.run(async () => order.push("second")),
    semaphore.run(async () => order.push("third")),
  ];
  await assert.rejects(
    semaphore.run(async () => 0),
    { code: "QUEUE_FULL" },
  );
  assert.equal(semaphore.waiting, 2);
  first.resolve();
  await Promise.all(runs);
  assert.deepEqual(order, ["second", "third"]);
});

test("a semaphore gives its permit back when work fails or a waiter leaves", async () => {
  const semaphore = new Semaphore(1);
  await assert.rejects(
    semaphore.run(() => Promise.reject(new Error("failed"))),
    /failed/,
  );
  const holder = Promise.withResolvers<void>();
  const held = semaphore.run(() => holder.promise);
  const controller = new AbortController();
  const leaving = semaphore.run(async () => 0, controller.signal);
  controller.abort(new Error("left"));
  await assert.rejects(leaving, /left/);
  holder.resolve();
  await held;
  assert.equal(await semaphore.run(async () => 1), 1);
});
