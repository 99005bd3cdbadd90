/**
 * The crash matrix over the fake world: the agent is killed at every failpoint of every scenario, and again at every failpoint of its recovery.
 *
 * After each death a new agent takes over, and the invariants must hold: nothing lost, nothing doubled, nothing left behind, no guest harmed, every
 * acknowledged wish fulfilled.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { unwrap } from "@liquidmetal/foundation";
import type { MicroVmRecord } from "@liquidmetal/microvm";
import type { Engine } from "../../packages/host-agent/src/engine/engine.ts";
import { specOf, World } from "../../packages/host-agent/src/engine/fake-world/world.ts";

type Action = (engine: Engine) => Promise<unknown>;

const uidOf = (engine: Engine): string => engine.list({})[0]?.uid ?? "";
const create: Action = async (engine) => unwrap(await engine.create(specOf("one")));
const stop: Action = async (engine) => unwrap(await engine.setDesired(uidOf(engine), "stopped"));
const start: Action = async (engine) => unwrap(await engine.setDesired(uidOf(engine), "running"));
const pause: Action = async (engine) => unwrap(await engine.setDesired(uidOf(engine), "paused"));
const reboot: Action = async (engine) => unwrap(await engine.reboot(uidOf(engine)));
const remove: Action = async (engine) => unwrap(await engine.delete(uidOf(engine)));

const scenarios: Readonly<Record<string, readonly Action[]>> = {
  create: [create],
  stop: [create, stop, start],
  pause: [create, pause, start],
  reboot: [create, reboot],
  delete: [create, remove],
  "delete of a stopped one": [create, stop, remove],
};

for (const [name, actions] of Object.entries(scenarios)) {
  test(`killed at every point of: ${name}`, async (context) => {
    const points = await pointsOf(actions);
    let deaths = 0;
    for (let index = 0; index < points.length; index++) {
      const recovery = await liveAndDie(actions, index);
      deaths++;
      for (let second = 0; second < recovery; second++) {
        await liveAndDie(actions, index, second);
        deaths++;
      }
    }
    context.diagnostic(`${points.length} points, ${deaths} runs`);
    assert.ok(points.length >= 20);
  });
}

for (const [name, actions] of Object.entries(scenarios)) {
  test(`stopped in order at every point of: ${name}`, async () => {
    const points = await pointsOf(actions);
    for (let index = 0; index < points.length; index++) await liveAndDie(actions, index, undefined, "stopped");
  });
}

test("every point of create, stop and delete is in the matrix", async () => {
  const reached = new Set(await pointsOf([create, stop, remove]));
  const steps = ["create-directory", "fetch-kernel", "create-volume", "create-interface", "write-seed", "start-vmm"];
  const ends = ["stop-vmm", "release-interface", "release-volume", "release-images", "delete-directory", "forget"];
  for (const step of [...steps, ...ends]) {
    for (const point of ["before-act", "after-act", "after-commit"])
      assert.ok(reached.has(`${step}:${point}`), `${step}:${point}`);
  }
  for (const point of ["accept:before-commit", "accept:after-commit", "start-vmm:spawned"])
    assert.ok(reached.has(point));
});

/** The failpoints of a scenario in which nobody dies. */
async function pointsOf(actions: readonly Action[]): Promise<readonly string[]> {
  const world = new World();
  await world.start();
  await live(world, actions);
  assert.deepEqual(world.faults(), []);
  return world.reached;
}

/** Lives a scenario, dies at its `first` point and at the `second` point of the recovery. Returns how many points the recovery had. */
async function liveAndDie(
  actions: readonly Action[],
  first: number,
  second?: number,
  how: "killed" | "stopped" = "killed",
): Promise<number> {
  const world = new World();
  if (how === "killed") world.dieAtPoint(first);
  else world.stopAtPoint(first);
  await world.start();
  const acknowledged = await live(world, actions);
  // A death is at once; a stop waits until what is in progress has ended.
  if (how === "stopped") await world.ended;
  const label = `${how} at ${world.reached.at(-1)} (${first})`;
  assert.ok(!world.alive, `${label} did not happen`);
  const safe = settledGuests(world);
  const before = world.reached.length;
  if (second !== undefined) {
    world.dieAtPoint(second);
    await world.start();
    await world.settle(120_000);
    if (world.alive) await world.stop();
  }
  await world.start();
  await world.settle(120_000);
  const where = second === undefined ? label : `${label}, then at the ${second}. point of its recovery`;
  assert.deepEqual(world.faults(), [], where);
  for (const [uid, pid] of safe)
    assert.equal(world.host.processOf(uid)?.identity.pid, pid, `${where}: a guest was harmed`);
  fulfilled(world, acknowledged, actions, where);
  const points = world.reached.length - before;
  await emptied(world, where);
  return points;
}

/** Does the actions one after another, each until nothing moves; returns how many were acknowledged. */
async function live(world: World, actions: readonly Action[]): Promise<number> {
  let acknowledged = 0;
  for (const action of actions) {
    if ((await world.ask(action(world.engine))) === undefined) return acknowledged;
    acknowledged++;
    await world.settle(1_000);
    if (!world.alive) return acknowledged;
  }
  return acknowledged;
}

/** Guests with which all was well: no death of the agent may harm them. */
function settledGuests(world: World): ReadonlyMap<string, number> {
  const safe = new Map<string, number>();
  for (const body of world.host.journal.records.values()) {
    const record = JSON.parse(body) as MicroVmRecord;
    const settled = record.phase === "running" && record.desired === "running" && record.inFlight === undefined;
    const { process, processGeneration } = record.made;
    if (settled && process !== undefined && processGeneration === record.bootGeneration)
      safe.set(record.uid, process.pid);
  }
  return safe;
}

/** What was acknowledged is so; what was not may be so. */
function fulfilled(world: World, acknowledged: number, actions: readonly Action[], where: string): void {
  const records = world.engine.list({});
  const last = actions[acknowledged - 1];
  const next = actions[acknowledged];
  if (acknowledged === 0) assert.ok(records.length <= 1, where);
  else if (last === remove) assert.equal(records.length, 0, where);
  else if (next !== remove) assert.equal(records.length, 1, where);
  for (const record of records) {
    const expected = record.desired === "deleted" ? "deleting" : record.desired;
    assert.equal(record.phase, expected, `${where}: ${record.reason} ${record.message}`);
    assert.equal(record.inFlight, undefined, where);
    const generation = world.host.processOf(record.uid)?.generation ?? record.bootGeneration;
    assert.equal(generation, record.bootGeneration, `${where}: a reboot is still owed`);
    if (last === stop && next === undefined) assert.equal(record.desired, "stopped", where);
    if (last === start && next === undefined) assert.equal(record.desired, "running", where);
  }
}

/** A newcomer fits in beside what was recovered, and deleting whatever there is leaves an empty host. */
async function emptied(world: World, where: string): Promise<void> {
  unwrap(await world.engine.create(specOf("newcomer")));
  await world.settle();
  assert.deepEqual(world.faults(), [], where);
  for (const { uid } of world.engine.list({})) unwrap(await world.engine.delete(uid));
  await world.settle(1_000);
  const { host } = world;
  const left = [...host.paths].filter((path) => !path.startsWith("/cache/"));
  assert.deepEqual([...left, ...host.volumes.keys(), ...host.devices.keys(), ...host.holders], [], where);
  assert.equal(host.alive().length, 0, where);
  assert.deepEqual(world.faults(), [], where);
}
