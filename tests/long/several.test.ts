/**
 * Two clusters at once on one platform, one of them from the ClusterClass: nothing of them clashes (names, addresses, endpoints), and deleting the one leaves
 * the other alone, though their pods and services have the same networks.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { clusters } from "../../packages/cli/src/cluster/objects.ts";
import { microvmUidOf, NodeGuard, nodes, nodesReady } from "../e2e/world/cluster-nodes.ts";
import { missingForClusters } from "../e2e/world/cluster-requirements.ts";
import { ClusterWorld } from "../e2e/world/cluster-world.ts";
import { deadlineMs, slowness } from "../e2e/world/machine-speed.ts";
import { newTraces, tracesOf } from "../e2e/world/platform-traces.ts";
import { SteadyWriter } from "../e2e/world/steady-writer.ts";
import { Story } from "../e2e/world/story.ts";
import { webPods } from "../e2e/world/web-pods.ts";

const root = join(import.meta.dirname, "../..");
const names = ["plain", "classy"] as const;
const sizes = ["--vcpu", "2", "--control-plane-memory", "2560M", "--worker-memory", "1024M"];

test("two clusters on one platform, one of them from the ClusterClass", {
  skip: missingForClusters([2_560, 1_024, 2_560, 1_024]) ?? false,
  timeout: 3 * 3_600_000,
}, async (context) => {
  const story = new Story(context, (step) =>
    world.evidence(`several-${step.replaceAll(/[^a-z0-9]+/gi, "-").slice(0, 30)}`, names),
  );
  const { say } = story;
  say(`this machine is ${(await slowness()).toFixed(1)} times slower than the one that deadlines are made for`);
  await using world = await ClusterWorld.open({ say });
  const management = await world.management;
  const before = await tracesOf(world.paths);

  await story.step("both come up at the same time", async () => {
    const [plain, classy] = names;
    // The last address of those that the platform keeps for endpoints: an embedded cluster takes the first that is free.
    const endpoint = await lastFloatingAddress(world);
    const topology = ["--flavor", "topology", "--endpoint", endpoint, "--cni=true", ...sizes];
    const seconds = 1_500;
    await Promise.all([world.createCluster(plain, sizes, seconds), world.createCluster(classy, topology, seconds)]);
    for (const name of names) await nodesReady(await world.workload(name), 2, await deadlineMs(60));
  });

  await story.step("each has machines, an endpoint and nodes of its own", async () => {
    const { items } = await management.list(clusters);
    const endpoints = items.map(
      ({ spec }) => `${spec?.controlPlaneEndpoint?.host}:${spec?.controlPlaneEndpoint?.port}`,
    );
    assert.equal(new Set(endpoints).size, 2, endpoints.join(" "));
    const found = await Promise.all(
      names.map(async (name) => nodesReady(await world.workload(name), 2, await deadlineMs(60))),
    );
    assert.equal(new Set(found.flat().map(microvmUidOf)).size, 4);
    assert.deepEqual(
      found.flat().map(microvmUidOf).toSorted(),
      (await world.microvms()).map(({ uid }) => uid).toSorted(),
    );
  });

  await story.step("in each, pods reach the Service, and only pods of the same cluster answer", async () => {
    const wait = `--timeout=${Math.round((await deadlineMs(300)) / 1_000)}s`;
    for (const name of names) await world.kubectl(name, ["apply", "-f", join(root, "images/node/files/web.yaml")]);
    for (const name of names)
      await world.kubectl(name, ["rollout", "status", "deployment/web", wait], { seconds: 310 });
    for (const name of names) {
      const pods = await webPods(world, name);
      const own = pods.map((pod) => pod.name).toSorted();
      for (const pod of pods) {
        const answered = new Set(
          (await pod.get("http://web/", 24))
            .trim()
            .split("\n")
            .map((line) => /^pod=(\S+)/.exec(line)?.[1]),
        );
        assert.deepEqual([...answered].toSorted(), own, `${name}, from ${pod.name}`);
      }
    }
  });

  await story.step("a node reaches the API server of its own cluster, and not that of the other", async () => {
    const { items } = await management.list(clusters);
    for (const name of names) {
      const [node] = (await (await world.workload(name)).list(nodes)).items;
      assert.ok(node !== undefined);
      for (const { metadata, spec } of items) {
        const { host, port } = spec?.controlPlaneEndpoint ?? {};
        const connect = `timeout 5 bash -c 'exec 3<>/dev/tcp/${host}/${port}' && echo reached`;
        const ssh = ["vm", "ssh", microvmUidOf(node), "--identity", world.sshKey, "--", connect];
        const { stdout } = await world.lmOutcome(ssh, 60);
        assert.equal(stdout.trim(), metadata?.name === name ? "reached" : "", `${metadata?.name} from ${name}`);
      }
    }
  });

  await story.step("one is deleted, the other does not notice", async () => {
    const [plain, classy] = names;
    const client = await world.workload(plain);
    await using guard = new NodeGuard(client);
    await using writer = SteadyWriter.start(client, await deadlineMs(20));
    await world.lm(["cluster", "delete", classy, "--yes"], 300);
    await writer.more(8, AbortSignal.timeout(await deadlineMs(60)));
    const { interruptions, lost } = await writer.finish();
    assert.deepEqual(
      { interruptions, lost, incidents: guard.incidents },
      { interruptions: [], lost: [], incidents: [] },
    );
    assert.equal((await world.microvms()).length, 2);
  });

  await story.step("both deleted, nothing is left", async () => {
    await world.lm(["cluster", "delete", names[0], "--yes"], 300);
    assert.deepEqual(await world.microvms(), []);
    assert.deepEqual(newTraces(before, await tracesOf(world.paths)), []);
  });
});

/** Of the guests' subnet, a /24. */
async function lastFloatingAddress(world: ClusterWorld): Promise<string> {
  const { subnet } = JSON.parse(await world.lm(["host", "get", "-o", "json"]));
  return String(subnet).replace(/\.0\/24$/, ".254");
}
