/**
 * Random lives: several microVMs, random wishes, faults, deaths of guests, spawner and agent, restarts of the host; from a seed, so that every failure
 * can be seen again. When the faults end and the dust has settled, everything must be as it was last wished, and the invariants must hold.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { DesiredState } from "@liquidmetal/microvm";
import { specOf, World } from "../../packages/host-agent/src/engine/fake-world/world.ts";

const seeds = Number(process.env["LIQUIDMETAL_SEEDS"] ?? 100);
const names = ["a", "b", "c", "d"] as const;

test(`${seeds} random lives end well`, { timeout: 300_000 }, async (context) => {
  for (let seed = 1; seed <= seeds; seed++) {
    try {
      await live(seed);
    } catch (error) {
      context.diagnostic(`seed ${seed}`);
      throw error;
    }
  }
});

async function live(seed: number): Promise<void> {
  const world = new World({ seed });
  const below = dice(seed);
  /** What was last acknowledged, by name; a wish that was never answered leaves it open. */
  const wishes = new Map<string, DesiredState | "open">();
  await world.start();
  for (let turn = 0; turn < 25; turn++) {
    await (below(3) === 0 ? trouble(world, below) : wish(world, below, wishes));
    await world.settle(below(4) === 0 ? below(90_000) : below(500));
    if (!world.alive) await world.start();
  }
  mend(world);
  await world.settle(1_200_000);
  assert.deepEqual(world.faults(), []);
  for (const name of names) {
    const record = world.engine.list({ name })[0];
    const wanted = wishes.get(name);
    if (wanted === "deleted") assert.equal(record, undefined, name);
    if (wanted === undefined || wanted === "open" || wanted === "deleted") continue;
    assert.ok(record !== undefined, `${name} was lost`);
    // A guest that powered itself off stays off, whatever was wished before.
    if (record.desired !== "stopped") assert.equal(record.desired, wanted, name);
    assert.equal(record.phase, record.desired, `${name}: ${record.reason} ${record.message}`);
  }
}

async function wish(
  world: World,
  below: (bound: number) => number,
  wishes: Map<string, DesiredState | "open">,
): Promise<void> {
  const { engine } = world;
  const name = names[below(names.length)] ?? "a";
  if (below(3) === 0) world.dieAtPoint(below(12));
  const uid = engine.list({ name })[0]?.uid;
  const before = wishes.get(name) ?? "open";
  wishes.set(name, "open");
  const [call, wanted] =
    uid === undefined ? ([engine.create(specOf(name)), "running"] as const) : verb(world, uid, below);
  const answer = await world.ask(call);
  if (answer === undefined) return;
  wishes.set(name, answer.ok ? (wanted ?? before) : before);
}

function verb(world: World, uid: string, below: (bound: number) => number) {
  const { engine } = world;
  switch (below(6)) {
    case 0:
      return [engine.delete(uid), "deleted"] as const;
    case 1:
      return [engine.setDesired(uid, "stopped", { force: below(2) === 0 }), "stopped"] as const;
    case 2:
      return [engine.setDesired(uid, "paused"), "paused"] as const;
    case 3:
      return [engine.reboot(uid), undefined] as const;
    default:
      return [engine.setDesired(uid, "running"), "running"] as const;
  }
}

async function trouble(world: World, below: (bound: number) => number): Promise<void> {
  const { host } = world;
  const { faults } = host;
  const victim = host.alive()[below(Math.max(1, host.alive().length))];
  switch (below(12)) {
    case 0:
      return world.kill();
    case 1:
      return await world.stop();
    case 2:
      world.kill();
      return host.reboot();
    case 3:
      faults.containerdDown = !faults.containerdDown;
      return;
    case 4:
      return faults.spawnerDown ? host.bringBack("spawner") : host.lose("spawner");
    case 5:
      faults.startFails = faults.startFails === "" ? "no luck" : "";
      return;
    case 6:
      host.journal.full = !host.journal.full;
      return;
    case 7:
      faults.spawnerDiesSpawning = !faults.spawnerDiesSpawning;
      return;
    case 8:
      return world.clock.jumpWall((below(2) - 0.5) * 200_000_000);
    case 9:
      if (victim !== undefined) host.end(victim, "powered-off");
      return;
    case 10:
      if (victim !== undefined) victim.stubborn = true;
      return;
    default:
      if (victim !== undefined) host.end(victim, below(2) === 0 ? "crashed" : "panicked");
  }
}

function mend(world: World): void {
  const { faults, journal } = world.host;
  world.host.bringBack("containerd");
  world.host.bringBack("spawner");
  faults.startFails = "";
  faults.spawnerDiesSpawning = false;
  journal.full = false;
  world.live();
}

/** A small generator (xorshift32): numbers below a bound, the same for the same seed. */
function dice(seed: number): (bound: number) => number {
  let state = seed * 2_654_435_761;
  return (bound) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % bound;
  };
}
