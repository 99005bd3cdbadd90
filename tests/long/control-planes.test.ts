/**
 * Three control planes whose endpoint is held by keepalived: one of them dies while a client writes by way of the endpoint. Nothing that was acknowledged is
 * lost, the writing goes on within seconds, and the dead machine is replaced.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { machines, microvmClusters } from "../../packages/cli/src/cluster/objects.ts";
import { type ClusterNode, isReady, microvmUidOf, nodes, nodesReady } from "../e2e/world/cluster-nodes.ts";
import { missingForClusters } from "../e2e/world/cluster-requirements.ts";
import { ClusterWorld } from "../e2e/world/cluster-world.ts";
import { deadlineMs, slowness } from "../e2e/world/machine-speed.ts";
import { vmmOfUid } from "../e2e/world/platform-traces.ts";
import { SteadyWriter } from "../e2e/world/steady-writer.ts";
import { Story } from "../e2e/world/story.ts";
import { conditionOf, watched } from "../e2e/world/watched.ts";

const name = "three";
const namespace = "default";
/** VRRP needs up to four seconds, etcd and leases of the API servers some more; on a quiet machine. */
const interruptionMs = 30_000;

test("three control planes outlive the loss of the one that holds the endpoint", {
  // One more while the dead one is replaced.
  skip: missingForClusters([2_560, 2_560, 2_560, 2_560]) ?? false,
  timeout: 3 * 3_600_000,
}, async (context) => {
  const story = new Story(context, (step) =>
    world.evidence(`three-${step.replaceAll(/[^a-z]+/gi, "-").slice(0, 30)}`, [name]),
  );
  const { say } = story;
  say(`this machine is ${(await slowness()).toFixed(1)} times slower than the one that deadlines are made for`);
  await using world = await ClusterWorld.open({ settings: ["restart-policy=never"], say });
  const management = await world.management;

  await story.step("three control planes come up", async () => {
    const size = ["--vcpu", "2", "--memory", "2560M"];
    await world.createCluster(name, ["--control-plane-count", "3", "--worker-count", "0", ...size], 1_800);
    await nodesReady(await world.workload(name), 3, await deadlineMs(60));
  });

  await story.step("the one that holds the endpoint dies: writing goes on, nothing acknowledged is lost", async () => {
    const client = await world.workload(name);
    const found = (await client.list(nodes)).items;
    const holder = await holderOfEndpoint(world, found);
    say(`  the endpoint is on ${holder.metadata?.name}`);
    const pid = vmmOfUid(microvmUidOf(holder));
    assert.ok(pid !== undefined, "its VMM runs");
    await using writer = SteadyWriter.start(client, 3_000);
    await writer.more(8, AbortSignal.timeout(await deadlineMs(120)));
    process.kill(pid, "SIGKILL");
    await writer.more(40, AbortSignal.timeout(await deadlineMs(300)));
    const { acknowledged, interruptions, lost, longestGapMs } = await writer.finish();
    say(
      `  ${acknowledged} writes; interrupted for ${(longestGapMs / 1_000).toFixed(1)} s: ${JSON.stringify(interruptions)}`,
    );
    assert.deepEqual(lost, []);
    assert.ok(longestGapMs < interruptionMs * (await slowness()), `interrupted for ${longestGapMs} ms`);
    assert.notEqual(
      (
        await holderOfEndpoint(
          world,
          found.filter((node) => node !== holder),
        )
      ).metadata?.name,
      holder.metadata?.name,
    );
  });

  await story.step("MachineHealthCheck replaces the dead machine, and etcd has three members again", async () => {
    const client = await world.workload(name);
    const found = await watched(
      client,
      nodes,
      { what: "three nodes, all Ready", timeoutMs: await deadlineMs(1_500) },
      (all) => (all.length === 3 && all.every(isReady) ? all : undefined),
    );
    await watched(
      management,
      machines,
      { what: "three Machines with a healthy etcd member", timeoutMs: await deadlineMs(300), namespace },
      (all) =>
        all.length === 3 && all.every((machine) => conditionOf(machine, "EtcdMemberHealthy")?.status === "True")
          ? true
          : undefined,
    );
    assert.equal(new Set(found.map(microvmUidOf)).size, 3);
    await watched(
      management,
      microvmClusters,
      { what: "the control plane reachable", timeoutMs: await deadlineMs(60), namespace },
      (all) => (all.every((each) => conditionOf(each, "ControlPlaneReachable")?.status === "True") ? true : undefined),
    );
  });

  await story.step("deleted, nothing runs any more", async () => {
    await world.lm(["cluster", "delete", name, "--yes"], 300);
    assert.deepEqual(await world.microvms(), []);
  });
});

/** Which guest has the address of the API server, as the guests tell. */
async function holderOfEndpoint(world: ClusterWorld, found: readonly ClusterNode[]): Promise<ClusterNode> {
  const server = await world.kubectl(name, ["config", "view", "-o", "jsonpath={.clusters[0].cluster.server}"]);
  const address = new URL(server).hostname;
  for (const node of found) {
    const uid = microvmUidOf(node);
    const { stdout } = await world.lmOutcome(["vm", "ssh", uid, "--identity", world.sshKey, "--", "ip -o -4 addr"], 60);
    if (stdout.includes(` ${address}/`)) return node;
  }
  throw new Error(`no guest has ${address}`);
}
