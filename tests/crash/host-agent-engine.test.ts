/**
 * The crash matrix over the fake world: the agent is killed at every failpoint of every scenario, and again at every failpoint of its recovery.
 *
 * After each death a new agent takes over, and the invariants must hold: nothing lost, nothing doubled, nothing left behind, no guest harmed, every
 * acknowledged wish fulfilled.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { World } from "../../packages/host-agent/src/engine/fake-world/world.ts";
import {
  type Action,
  create,
  emptied,
  fulfilled,
  live,
  pointsOf,
  remove,
  scenarios,
  settledGuests,
  stop,
} from "./host-agent-lives.ts";

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
