/** A cluster goes from one minor version of Kubernetes to the next, machine by machine, by `lm cluster upgrade`: what runs on it goes on running, and is reached. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { machines } from "../../packages/cli/src/cluster/objects.ts";
import { microvmUidOf, nodes, nodesReady } from "../e2e/world/cluster-nodes.ts";
import { missingForClusters } from "../e2e/world/cluster-requirements.ts";
import { ClusterWorld } from "../e2e/world/cluster-world.ts";
import { deadlineMs, slowness } from "../e2e/world/machine-speed.ts";
import { SteadyWriter } from "../e2e/world/steady-writer.ts";
import { Story } from "../e2e/world/story.ts";
import { webPods } from "../e2e/world/web-pods.ts";

const root = join(import.meta.dirname, "../..");
const name = "rolling";
const [before, after] = ["1.35.4", "1.36.3"];

test("a rolling upgrade from Kubernetes 1.35 to 1.36", {
  // One machine more at a time.
  skip: missingForClusters([2_560, 2_560, 1_024, 1_024]) ?? false,
  timeout: 3 * 3_600_000,
}, async (context) => {
  const story = new Story(context, (step) =>
    world.evidence(`upgrade-${step.replaceAll(/[^a-z]+/gi, "-").slice(0, 30)}`, [name]),
  );
  const { say } = story;
  say(`this machine is ${(await slowness()).toFixed(1)} times slower than the one that deadlines are made for`);
  await using world = await ClusterWorld.open({ kubernetes: [before, after], say });
  let replaced: readonly string[] = [];

  await story.step(`a cluster of Kubernetes ${before}`, async () => {
    const sizes = ["--vcpu", "2", "--control-plane-memory", "2560M", "--worker-memory", "1024M"];
    await world.createCluster(name, ["--kubernetes-version", `v${before}`, ...sizes], 600);
    const found = await nodesReady(await world.workload(name), 2, await deadlineMs(60));
    assert.deepEqual(
      found.map(({ status }) => status?.nodeInfo?.kubeletVersion),
      [`v${before}`, `v${before}`],
    );
    replaced = found.map(microvmUidOf);
    await world.kubectl(name, ["apply", "-f", join(root, "images/node/files/web.yaml")]);
    const wait = `--timeout=${Math.round((await deadlineMs(120)) / 1_000)}s`;
    await world.kubectl(name, ["rollout", "status", "deployment/web", wait], { seconds: 130 });
  });

  await story.step(
    "a version that skips a minor, and one without an image, are refused and change nothing",
    async () => {
      for (const version of ["v1.38.0", "v1.36.99"]) {
        const { code, stderr } = await world.lmOutcome(["cluster", "upgrade", name, "--kubernetes-version", version]);
        assert.notEqual(code, 0, version);
        assert.match(stderr, /^error: /m);
      }
      const { items } = await (await world.management).list(machines);
      assert.deepEqual(new Set(items.map(({ spec }) => spec?.version)), new Set([`v${before}`]));
    },
  );

  await story.step(
    `lm cluster upgrade brings it to ${after}: every machine is another one, and what was written stays`,
    async () => {
      const client = await world.workload(name);
      await using writer = SteadyWriter.start(client, await deadlineMs(10));
      await writer.more(8, AbortSignal.timeout(await deadlineMs(60)));
      const seconds = 1_800;
      const timeout = `${Math.round((await deadlineMs(seconds)) / 1_000)}s`;
      await world.lm(
        ["cluster", "upgrade", name, "--kubernetes-version", `v${after}`, "--wait", "--timeout", timeout],
        seconds + 60,
      );
      const found = await nodesReady(client, 2, await deadlineMs(120));
      assert.deepEqual(
        found.map(({ status }) => status?.nodeInfo?.kubeletVersion),
        [`v${after}`, `v${after}`],
      );
      assert.deepEqual(
        found.map(microvmUidOf).filter((uid) => replaced.includes(uid)),
        [],
      );
      const { acknowledged, lost, longestGapMs, interruptions } = await writer.finish();
      say(
        `  ${acknowledged} writes, the API was away for ${(longestGapMs / 1_000).toFixed(1)} s at most, ${interruptions.length} times`,
      );
      assert.deepEqual(lost, [], "what etcd had is in the new control plane's");
      assert.deepEqual((await world.microvms()).map(({ uid }) => uid).toSorted(), found.map(microvmUidOf).toSorted());
    },
  );

  await story.step("the service runs on the new nodes", async () => {
    const wait = `--timeout=${Math.round((await deadlineMs(300)) / 1_000)}s`;
    await world.kubectl(name, ["rollout", "status", "deployment/web", wait], { seconds: 310 });
    const [pod] = await webPods(world, name);
    assert.match((await pod?.get("http://web/", 4)) ?? "", /^pod=web-/);
    const versions = (await (await world.workload(name)).list(nodes)).items.map(
      ({ status }) => status?.nodeInfo?.kubeletVersion,
    );
    assert.deepEqual(versions, [`v${after}`, `v${after}`]);
  });

  await story.step("deleted, nothing runs any more", async () => {
    await world.lm(["cluster", "delete", name, "--yes"], 300);
    assert.deepEqual(await world.microvms(), []);
    assert.deepEqual((await (await world.management).list(machines)).items, []);
  });
});
