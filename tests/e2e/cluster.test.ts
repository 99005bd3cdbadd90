/**
 * Issue: one command, a real Kubernetes cluster on microVMs. As a user has it: a platform with its management plane, a cluster with one control plane and one
 * worker declared to Cluster API by `lm cluster create`, on QEMU guests that boot the shipped node image; nothing played, nothing pulled, no way out.
 *
 * One story in steps that build on each other; what a failed step leaves is gathered into a folder that is printed. Deadlines are scaled to the speed of
 * the machine (world/machine-speed.ts).
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import type { Resource } from "@liquidmetal/kubernetes";
import { clusters, machines, microvmMachines } from "../../packages/cli/src/cluster/objects.ts";
import { leftoversOf } from "./quickstart/leftovers.ts";
import { type ClusterNode, isReady, microvmUidOf, NodeGuard, nodes, nodesReady } from "./world/cluster-nodes.ts";
import { missingForClusters } from "./world/cluster-requirements.ts";
import { ClusterWorld } from "./world/cluster-world.ts";
import { deadlineMs, slowness } from "./world/machine-speed.ts";
import { killPart } from "./world/platform-parts.ts";
import { newTraces, tracesOf, vmmOfUid } from "./world/platform-traces.ts";
import { SteadyWriter } from "./world/steady-writer.ts";
import { Story } from "./world/story.ts";
import { conditionOf, watched } from "./world/watched.ts";
import { webPods } from "./world/web-pods.ts";

const root = join(import.meta.dirname, "../..");
const name = "demo";
const namespace = "default";
const sizes = ["--vcpu", "2", "--control-plane-memory", "2560M", "--worker-memory", "1024M"];
/** The VMM's death is told within this, on a quiet machine. */
const toldWithinMs = 1_000;

test("a cluster on microVMs, from its declaration to nothing left", {
  skip: missingForClusters([2_560, 1_024, 1_024]) ?? false,
  timeout: 2_600_000,
}, async (context) => {
  const story = new Story(context, (step) => world.evidence(step.replaceAll(/[^a-z]+/gi, "-").slice(0, 40), [name]));
  const { say } = story;
  say(`this machine is ${(await slowness()).toFixed(1)} times slower than the one that deadlines are made for`);
  // Whether a dead guest is started again by its host is the host's business; here it is Cluster API that shall see to it.
  await using world = await ClusterWorld.open({ settings: ["restart-policy=never"], say });
  const before = await tracesOf(world.paths);
  const management = await world.management;
  const workload = () => world.workload(name);
  const machinesOf = async () => (await management.list(machines, { namespace })).items;

  await story.step("lm cluster create makes a control plane and a worker", async () => {
    await world.createCluster(name, [...sizes, "--worker-count", "1"], 600);
  });

  await story.step("both nodes are Ready, and nodes, Machines and microVMs name each other", async () => {
    const found = await nodesReady(await workload(), 2, await deadlineMs(60));
    const [declared, microvms] = [await machinesOf(), await world.microvms()];
    assert.deepEqual(providerIds(found), declared.map(({ spec }) => spec?.providerID).toSorted());
    assert.deepEqual(found.map(microvmUidOf).toSorted(), microvms.map(({ uid }) => uid).toSorted());
    assert.deepEqual(names(found), declared.map(({ status }) => status?.nodeRef?.name).toSorted());
    assert.deepEqual(names(found), microvms.map((each) => each.name).toSorted());
    for (const node of found) assert.equal(node.status?.nodeInfo?.kubeletVersion, "v1.36.3");
    const listed: readonly { readonly status: string; readonly microvm: string }[] = JSON.parse(
      await world.lm(["cluster", "get-nodes", name, "-o", "json"]),
    );
    assert.deepEqual(
      listed.map(({ status }) => status),
      ["ready", "ready"],
    );
  });

  await story.step("CoreDNS is available, and every pod runs without having pulled anything", async () => {
    const wait = `--timeout=${Math.round((await deadlineMs(120)) / 1_000)}s`;
    await world.kubectl(name, ["-n", "kube-system", "wait", "--for=condition=Available", "deployment/coredns", wait], {
      seconds: 130,
    });
    await world.kubectl(name, ["-n", "kube-system", "wait", "--for=condition=Ready", "pod", "--all", wait], {
      seconds: 130,
    });
    const reasons = await world.kubectl(name, ["get", "events", "-A", "-o", "jsonpath={.items[*].reason}"]);
    assert.doesNotMatch(reasons, /\b(Pulling|ErrImagePull|ErrImageNeverPull)\b/);
  });

  await story.step(
    "pods reach each other across nodes, in both directions, and a Service by address and by name",
    async () => {
      await world.kubectl(name, ["apply", "-f", join(root, "images/node/files/web.yaml")]);
      const wait = `--timeout=${Math.round((await deadlineMs(120)) / 1_000)}s`;
      await world.kubectl(name, ["rollout", "status", "deployment/web", wait], { seconds: 130 });
      const [one, other, ...more] = await webPods(world, name);
      assert.ok(one !== undefined && other !== undefined && more.length === 0, "two pods");
      assert.notEqual(one.node, other.node);
      for (const [from, to] of [
        [one, other],
        [other, one],
      ] as const) {
        const answer = await from.get(`http://${to.address}:8080/`);
        // The client's own address, not one of its node: nothing is translated on the way.
        assert.equal(answer, `pod=${to.name} node=${to.node} address=${to.address} client=${from.address}\n`);
      }
      const clusterIp = await world.kubectl(name, ["get", "service", "web", "-o", "jsonpath={.spec.clusterIP}"]);
      for (const url of [`http://${clusterIp}/`, "http://web/", "http://web.default.svc.cluster.local/"]) {
        for (const client of [one, other]) {
          const answers: readonly string[] = (await client.get(url, 24)).trim().split("\n");
          const answered = new Set(answers.map((line) => /^pod=(\S+)/.exec(line)?.[1]));
          assert.deepEqual([...answered].toSorted(), [one.name, other.name].toSorted(), `${url} from ${client.name}`);
        }
      }
      assert.match(
        await one.resolve("web.default.svc.cluster.local"),
        new RegExp(`\\b${clusterIp.replaceAll(".", "\\.")}\\b`),
      );
    },
  );

  await story.step("kubectl logs and exec work on both nodes", async () => {
    for (const pod of await webPods(world, name)) {
      assert.match(await world.kubectl(name, ["logs", pod.name]), /^web \S+ listens on /);
      assert.equal(
        await world.kubectl(name, ["exec", pod.name, "--", "web", "get", "http://127.0.0.1:8080/healthz"]),
        "ok\n",
      );
    }
  });

  await story.step(
    "flintlockd, capmvm and the management cluster's API server die: nobody in the cluster notices",
    async () => {
      const client = await workload();
      const [nodesBefore, vmmsBefore] = [(await client.list(nodes)).items, await vmmsOf(world)];
      const machinesBefore = await machinesOf();
      await using guard = new NodeGuard(client);
      await using writer = SteadyWriter.start(client, await deadlineMs(20));
      await writer.more(4, AbortSignal.timeout(await deadlineMs(60)));
      for (const part of ["flintlockd", "capmvm", "kube-apiserver"]) {
        const tookMs = await killPart(world, part);
        say(`  ${part} was killed; all parts were well again after ${(tookMs / 1_000).toFixed(1)} s`);
        await writer.more(4, AbortSignal.timeout(await deadlineMs(60)));
      }
      await watched(
        management,
        clusters,
        { what: "the Cluster available", timeoutMs: await deadlineMs(120), namespace },
        (found) => (found.some((each) => conditionOf(each, "Available")?.status === "True") ? true : undefined),
      );
      const { acknowledged, interruptions, lost, longestGapMs } = await writer.finish();
      say(`  ${acknowledged} writes, at most ${(longestGapMs / 1_000).toFixed(1)} s from one to the next`);
      assert.deepEqual({ interruptions, lost }, { interruptions: [], lost: [] });
      assert.deepEqual(guard.incidents, []);
      assert.deepEqual(bootIds((await client.list(nodes)).items), bootIds(nodesBefore));
      assert.deepEqual(await vmmsOf(world), vmmsBefore);
      assert.deepEqual(
        (await machinesOf()).map(({ metadata }) => metadata?.uid),
        machinesBefore.map(({ metadata }) => metadata?.uid),
      );
    },
  );

  await story.step("lm cluster scale makes a second worker", async () => {
    const seconds = 300;
    const timeout = `${Math.round((await deadlineMs(seconds)) / 1_000)}s`;
    await world.lm(["cluster", "scale", name, "--workers", "2", "--wait", "--timeout", timeout], seconds + 30);
    await nodesReady(await workload(), 3, await deadlineMs(60));
    assert.equal((await world.microvms()).length, 3);
  });

  await story.step(
    "a worker's VMM is killed: it is told at once, and MachineHealthCheck replaces the machine",
    async () => {
      // What a user does who does not want to wait five minutes. A new node is not Ready for a while: only Unknown may be short.
      const checks = {
        unhealthyNodeConditions: [
          { type: "Ready", status: "Unknown", timeoutSeconds: 10 },
          { type: "Ready", status: "False", timeoutSeconds: 600 },
        ],
      };
      const patch = [
        "patch",
        "machinehealthcheck.cluster.x-k8s.io",
        `${name}-md-0`,
        "--type",
        "merge",
        "-p",
        JSON.stringify({ spec: { checks } }),
      ];
      await world.kubectl(undefined, patch);
      const client = await workload();
      const [victim, spared] = (await client.list(nodes)).items.filter((node) => !isControlPlane(node));
      assert.ok(victim !== undefined && spared !== undefined, "two workers");
      const uid = microvmUidOf(victim);
      const pid = vmmOfUid(uid);
      assert.ok(pid !== undefined, "its VMM runs");
      const told = watched(
        management,
        microvmMachines,
        { what: "VMProvisioned False", timeoutMs: await deadlineMs(60), namespace },
        (found) => {
          const dead = found.find(({ spec }) => spec?.providerID === victim.spec?.providerID);
          const condition = dead === undefined ? undefined : conditionOf(dead, "VMProvisioned");
          return condition?.status === "False" ? { ...condition, atMs: performance.now() } : undefined;
        },
      );
      const began = performance.now();
      process.kill(pid, "SIGKILL");
      const { reason, message, atMs } = await told;
      say(`  told after ${(atMs - began).toFixed(0)} ms: ${reason}: ${message}`);
      assert.ok(atMs - began < toldWithinMs * (await slowness()), `told after ${(atMs - began).toFixed(0)} ms`);
      const victimName = victim.metadata?.name;
      await watched(
        management,
        machines,
        { what: "the Machine removed", timeoutMs: await deadlineMs(300), namespace },
        (found) =>
          found.every(
            ({ metadata, status }) => status?.nodeRef?.name !== victimName || metadata?.deletionTimestamp !== undefined,
          )
            ? true
            : undefined,
      );
      say(`  its Machine is being replaced after ${((performance.now() - began) / 1_000).toFixed(0)} s`);
      const found = await watched(
        client,
        nodes,
        { what: "another node in its place", timeoutMs: await deadlineMs(420) },
        (all) =>
          all.length === 3 && all.every((node) => isReady(node) && node.metadata?.name !== victimName)
            ? all
            : undefined,
      );
      say(`  another node is Ready after ${((performance.now() - began) / 1_000).toFixed(0)} s`);
      assert.ok(
        found.some(({ metadata }) => metadata?.uid === spared.metadata?.uid),
        "the other worker was left alone",
      );
      assert.equal(vmmOfUid(uid), undefined);
      assert.deepEqual((await world.microvms()).map((each) => each.uid).toSorted(), found.map(microvmUidOf).toSorted());
    },
  );

  await story.step("lm cluster delete leaves nothing of it", async () => {
    await world.lm(["cluster", "delete", name, "--yes"], 240);
    assert.deepEqual(await world.microvms(), []);
    const kinds: readonly Resource[] = [clusters, machines, microvmMachines];
    for (const kind of kinds) assert.deepEqual((await management.list(kind)).items, [], kind.kind);
    assert.deepEqual(newTraces(before, await tracesOf(world.paths)), []);
  });

  await story.step("lm down --delete leaves nothing at all", async () => {
    await world.lm(["down", "--delete", "--yes"], 120);
    assert.deepEqual(leftoversOf(world.platform), []);
  });
});

const names = (found: readonly ClusterNode[]): readonly (string | undefined)[] =>
  found.map(({ metadata }) => metadata?.name).toSorted();
const providerIds = (found: readonly ClusterNode[]): readonly (string | undefined)[] =>
  found.map(({ spec }) => spec?.providerID).toSorted();
const bootIds = (found: readonly ClusterNode[]): object =>
  Object.fromEntries(found.map(({ metadata, status }) => [metadata?.name, status?.nodeInfo?.bootID]));
const isControlPlane = ({ metadata }: ClusterNode): boolean =>
  "node-role.kubernetes.io/control-plane" in (metadata?.labels ?? {});

/** Pids by microVM. */
async function vmmsOf(world: ClusterWorld): Promise<object> {
  return Object.fromEntries((await world.microvms()).map(({ uid }) => [uid, vmmOfUid(uid)]));
}
