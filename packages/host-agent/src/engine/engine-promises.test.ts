/** Where upstream loses updates, spins, panics or waits (docs/compatibility.md, its weak points): what this engine does instead. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { unwrap } from "@liquidmetal/foundation";
import { specOf, World, type WorldOptions } from "./fake-world/world.ts";

async function running(options: WorldOptions = {}) {
  const world = new World(options);
  const engine = await world.start();
  const { uid } = unwrap(await engine.create(specOf("one")));
  await world.settle();
  const process = world.host.processOf(uid);
  assert.ok(process !== undefined);
  return { world, engine, uid, process };
}

test("words that come during the work are not lost, and no version is given twice", async () => {
  const world = new World();
  const engine = await world.start();
  using changes = engine.changes({ capacity: 10_000 });
  const { uid } = unwrap(await engine.create(specOf("one")));
  for (const desired of ["stopped", "running", "paused", "stopped", "running"] as const) {
    unwrap(await engine.setDesired(uid, desired));
    await world.clock.advance(1);
  }
  unwrap(await engine.delete(uid));
  await world.settle();
  assert.ok(!engine.get(uid).ok);
  const versions: number[] = [];
  const words: string[] = [];
  let last: unknown;
  for await (const { kind, record, event } of changes) {
    if (kind === "deleted") break;
    // A commit with several events is published once for each, with the same record.
    if (record !== last) versions.push(record.version);
    last = record;
    if (event?.reason.endsWith("Requested")) words.push(event.reason);
  }
  assert.ok(versions.length > 6);
  assert.deepEqual(
    versions,
    versions.map((_, index) => index + 1),
  );
  const asked = ["StopRequested", "StartRequested", "PauseRequested", "StopRequested", "StartRequested"];
  assert.deepEqual(words, [...asked, "DeleteRequested"]);
  assert.deepEqual(world.faults(), []);
});

test("what is gone is not looked at again, whatever was still due for it", async () => {
  const world = new World();
  world.host.faults.startFails = "no luck";
  const engine = await world.start();
  const { uid } = unwrap(await engine.create(specOf("one")));
  await world.settle(1_000);
  assert.ok(unwrap(engine.get(uid)).retry.attempts > 0);
  unwrap(await engine.delete(uid));
  await world.settle();
  assert.ok(!engine.get(uid).ok);
  const { reached } = world;
  const points = reached.length;
  await engine.resync();
  engine.nudge();
  await world.settle(86_400_000);
  assert.equal(reached.length, points);
  const { queueDepth, active, guests } = engine.statistics();
  assert.deepEqual([queueDepth, active, guests], [0, 0, 0]);
});

test("a guest that speaks late is heard by nobody and harms nobody", async () => {
  const { world, engine, uid, process } = await running();
  unwrap(await engine.delete(uid));
  await world.settle();
  process.events.publish({ kind: "guest-ready", addresses: ["10.9.9.9"] });
  process.events.publish({ kind: "guest-panicked", message: "after the end" });
  await world.settle(1_000);
  assert.equal(engine.list({}).length, 0);
  const { uid: second } = unwrap(await engine.create(specOf("two")));
  await world.settle();
  const orphaned = world.host.processOf(second);
  assert.ok(orphaned !== undefined);
  await engine.close();
  const written = JSON.stringify(world.record(second));
  orphaned.events.publish({ kind: "guest-panicked", message: "the agent has stopped" });
  await world.clock.advance(1_000);
  assert.equal(JSON.stringify(world.record(second)), written);
  assert.ok(engine.healthy());
});

test("a retry is remembered over a restart, and a delete does not wait for it", async () => {
  const world = new World();
  world.host.faults.startFails = "no luck";
  const first = await world.start();
  const { uid } = unwrap(await first.create(specOf("one")));
  await world.settle(120_000);
  const waiting = unwrap(first.get(uid)).retry;
  assert.ok(waiting.notBeforeMs > world.clock.nowMs());
  world.kill();
  const second = await world.start();
  await world.settle();
  assert.deepEqual(unwrap(second.get(uid)).retry, waiting);
  // A wait is taken over up to a minute, so that a clock that was wrong does not hold a guest up for ever.
  await world.settle(Math.min(waiting.notBeforeMs - world.clock.nowMs(), 60_000) - 1_000);
  assert.equal(unwrap(second.get(uid)).retry.attempts, waiting.attempts);
  await world.settle(2_000);
  assert.equal(unwrap(second.get(uid)).retry.attempts, waiting.attempts + 1);
  const beforeMs = world.clock.nowMs();
  unwrap(await second.delete(uid));
  await world.settle();
  assert.ok(!second.get(uid).ok);
  assert.equal(world.clock.nowMs(), beforeMs);
  assert.deepEqual(world.faults(), []);
});

test("an agent told not to reconcile keeps what is asked of it, does nothing, and leaves what is there alone", async () => {
  const options: { config: { reconcile: boolean } } = { config: { reconcile: true } };
  const { world, process } = await running(options);
  await world.stop();
  options.config.reconcile = false;
  const idle = await world.start();
  const { uid } = unwrap(await idle.create(specOf("two")));
  await world.settle(1_800_000);
  const { phase, made } = unwrap(idle.get(uid));
  assert.deepEqual([phase, made.process, Object.keys(made.volumes)], ["pending", undefined, []]);
  assert.notEqual(made.interfaces["eth0"]?.hostDevice, undefined);
  assert.equal(process.state, "running");
  await world.stop();
  options.config.reconcile = true;
  const working = await world.start();
  await world.settle();
  assert.equal(unwrap(working.get(uid)).phase, "running");
  assert.deepEqual(world.faults(), []);
});

test("stop is graceful until its deadline, then forced; delete does not ask the guest", async () => {
  const { world, engine, uid, process } = await running({ config: { gracefulStopMs: 10_000 } });
  process.stubborn = true;
  unwrap(await engine.setDesired(uid, "stopped"));
  await world.clock.advance(9_900);
  assert.equal(unwrap(engine.get(uid)).phase, "stopping");
  await world.clock.advance(200);
  assert.equal(unwrap(engine.get(uid)).phase, "stopped");
  unwrap(await engine.setDesired(uid, "running"));
  await world.settle();
  const again = world.host.processOf(uid);
  assert.ok(again !== undefined);
  again.stubborn = true;
  const beforeMs = world.clock.nowMs();
  unwrap(await engine.delete(uid));
  await world.settle();
  assert.ok(!engine.get(uid).ok);
  assert.equal(world.clock.nowMs(), beforeMs);
});
