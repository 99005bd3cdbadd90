/**
 * The crash matrix of the agent's neighbours, over the fake world: the spawner, and containerd, is killed at every failpoint of every scenario.
 *
 * Calls that were under way fail, and may have taken effect or not: each death is lived through with both. What the neighbour had started and made
 * lives on. When it is back and the dust has settled, nothing is lost, nothing doubled, nothing left behind, no guest harmed, every wish fulfilled.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Loss, World } from "../../packages/host-agent/src/engine/fake-world/world.ts";
import { type Action, emptied, fulfilled, live, pointsOf, scenarios } from "./host-agent-lives.ts";

/** A spawner is back at once, or after some attempts; containerd when somebody has seen to it. */
const absences = [
  { of: "spawner", forMs: 100 },
  { of: "spawner", forMs: 12_000 },
  { of: "containerd", forMs: 100 },
  { of: "containerd", forMs: 60_000 },
] as const;

/** Back-offs of a neighbour that was away for a minute end within two; what waits for a change is tried again within this time. */
const settlingMs = 400_000;

const losses: readonly Loss[] = absences.flatMap((absence) => [
  { ...absence, repliesLost: false },
  { ...absence, repliesLost: true },
]);

for (const [name, actions] of Object.entries(scenarios)) {
  for (const loss of losses) {
    const effect = loss.repliesLost ? "replies are lost" : "calls are lost";
    test(`${loss.of} away for ${loss.forMs} ms (${effect}) at every point of: ${name}`, async () => {
      const points = await pointsOf(actions);
      for (let index = 0; index < points.length; index++) await loseAndGoOn(actions, index, loss);
    });
  }
}

async function loseAndGoOn(actions: readonly Action[], index: number, loss: Loss): Promise<void> {
  const world = new World();
  world.loseAtPoint(index, loss);
  await world.start();
  const acknowledged = await live(world, actions);
  const where = `${loss.of} died at ${world.reached[index]} (${index})`;
  await world.settle(settlingMs);
  assert.deepEqual(world.faults(), [], where);
  fulfilled(world, acknowledged, actions, where);
  await emptied(world, where);
}
