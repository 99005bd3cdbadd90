/** Five clusters, one after the other: each is made, used and deleted, and afterwards the host is as it was, in what it holds and in the memory of what runs on it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { nodesReady } from "../e2e/world/cluster-nodes.ts";
import { missingForClusters } from "../e2e/world/cluster-requirements.ts";
import { ClusterWorld } from "../e2e/world/cluster-world.ts";
import { deadlineMs, slowness } from "../e2e/world/machine-speed.ts";
import { newTraces, tracesOf } from "../e2e/world/platform-traces.ts";
import { Story } from "../e2e/world/story.ts";

const rounds = 5;
/** The names are the same in every round: what is left of one is in the way of the next. */
const name = "again";
/** From the second round on, to the last: caches and heaps have been filled by then. */
const growthMiB = 64;
const parts = ["flintlockd", "capmvm", "supervisor", "containerd", "gateway", "gateway-inside", "plane-keeper"];

test("five clusters made and deleted leave nothing behind, and no part grows", {
  skip: missingForClusters([2_560, 1_024]) ?? false,
  timeout: 3 * 3_600_000,
}, async (context) => {
  const story = new Story(context, (step) =>
    world.evidence(`rounds-${step.replaceAll(/[^a-z0-9]+/gi, "-").slice(0, 30)}`, [name]),
  );
  const { say } = story;
  say(`this machine is ${(await slowness()).toFixed(1)} times slower than the one that deadlines are made for`);
  await using world = await ClusterWorld.open({ say });
  const before = await tracesOf(world.paths);
  const memory: ReadonlyMap<string, number>[] = [];

  for (let round = 1; round <= rounds; round += 1) {
    await story.step(`round ${round}`, async () => {
      const sizes = ["--vcpu", "2", "--control-plane-memory", "2560M", "--worker-memory", "1024M"];
      await world.createCluster(name, sizes, 600);
      await nodesReady(await world.workload(name), 2, await deadlineMs(60));
      await world.forget(name);
      await world.lm(["cluster", "delete", name, "--yes"], 300);
      assert.deepEqual(await world.microvms(), []);
      assert.deepEqual(newTraces(before, await tracesOf(world.paths)), []);
      memory.push(await memoryOf(world));
      say(`  ${[...(memory.at(-1) ?? [])].map(([part, sizeMiB]) => `${part} ${sizeMiB} MiB`).join(", ")}`);
    });
  }

  await story.step("no part has grown", async () => {
    const [, second, ...later] = memory;
    const last = later.at(-1);
    assert.ok(second !== undefined && last !== undefined);
    const grown = parts.filter((part) => (last.get(part) ?? 0) - (second.get(part) ?? 0) > growthMiB);
    assert.deepEqual(grown, []);
    const { parts: all } = await world.status();
    assert.deepEqual(
      all.filter(({ restarts }) => restarts > 0).map((part) => `${part.name} ${part.restarts}`),
      [],
    );
  });
});

/** Resident, MiB. */
async function memoryOf(world: ClusterWorld): Promise<ReadonlyMap<string, number>> {
  const { parts: all } = await world.status();
  return new Map(
    parts.map((name) => [name, Math.round((all.find((part) => part.name === name)?.memoryBytes ?? 0) / 1_048_576)]),
  );
}
