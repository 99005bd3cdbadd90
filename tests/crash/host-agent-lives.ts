/** What the crash tests do to one microVM of the fake world, and what has to be so when all has settled, whoever died meanwhile. */
import assert from "node:assert/strict";
import { unwrap } from "@liquidmetal/foundation";
import type { MicroVmRecord } from "@liquidmetal/microvm";
import type { Engine } from "../../packages/host-agent/src/engine/engine.ts";
import { specOf, World } from "../../packages/host-agent/src/engine/fake-world/world.ts";

export type Action = (engine: Engine) => Promise<unknown>;

const uidOf = (engine: Engine): string => engine.list({})[0]?.uid ?? "";
export const create: Action = async (engine) => unwrap(await engine.create(specOf("one")));
export const stop: Action = async (engine) => unwrap(await engine.setDesired(uidOf(engine), "stopped"));
export const start: Action = async (engine) => unwrap(await engine.setDesired(uidOf(engine), "running"));
const pause: Action = async (engine) => unwrap(await engine.setDesired(uidOf(engine), "paused"));
const reboot: Action = async (engine) => unwrap(await engine.reboot(uidOf(engine)));
export const remove: Action = async (engine) => unwrap(await engine.delete(uidOf(engine)));

export const scenarios: Readonly<Record<string, readonly Action[]>> = {
  create: [create],
  stop: [create, stop, start],
  pause: [create, pause, start],
  reboot: [create, reboot],
  delete: [create, remove],
  "delete of a stopped one": [create, stop, remove],
};

/** The failpoints of a scenario in which nobody dies. */
export async function pointsOf(actions: readonly Action[]): Promise<readonly string[]> {
  const world = new World();
  await world.start();
  await live(world, actions);
  assert.deepEqual(world.faults(), []);
  return world.reached;
}

/** Does the actions one after another, each until nothing moves (unless in haste); returns how many were acknowledged. */
export async function live(world: World, actions: readonly Action[], inHaste = false): Promise<number> {
  let acknowledged = 0;
  for (const action of actions) {
    if ((await world.ask(action(world.engine))) === undefined) return acknowledged;
    acknowledged++;
    if (!inHaste) await world.settle(1_000);
    if (!world.alive) return acknowledged;
  }
  return acknowledged;
}

/** Guests with which all was well: no death of the agent may harm them. */
export function settledGuests(world: World): ReadonlyMap<string, number> {
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
export function fulfilled(world: World, acknowledged: number, actions: readonly Action[], where: string): void {
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
export async function emptied(world: World, where: string): Promise<void> {
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
