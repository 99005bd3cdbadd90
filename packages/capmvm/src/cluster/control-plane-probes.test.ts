import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "@liquidmetal/foundation";
import type { KubernetesClient } from "@liquidmetal/kubernetes";
import { FakeCluster } from "@liquidmetal/kubernetes/fake";
import { secrets } from "../api/index.ts";
import { ControlPlaneProbes, type ProbeAnswer } from "./control-plane-probes.ts";
import { controlPlaneProbe } from "./probe-control-plane.ts";
import { readWorkloadKubeconfig } from "./workload-kubeconfig.ts";

const key = { namespace: "ns", name: "infra" };
const cluster = { namespace: "ns", name: "demo" };
const nodes: ProbeAnswer = { answer: "nodes", message: "" };
const silent: ProbeAnswer = { answer: "silent", message: "connection refused" };

function probing() {
  const clock = new FakeClock();
  const world: { answer: ProbeAnswer | undefined; asked: number; woken: number; hang: boolean } = {
    answer: silent,
    asked: 0,
    woken: 0,
    hang: false,
  };
  const probes = new ControlPlaneProbes({
    clock,
    entropy: { bytes: () => new Uint8Array(), fraction: () => 0.5 },
    probe: async () => {
      world.asked++;
      if (world.hang) await new Promise(() => {});
      return world.answer;
    },
  });
  probes.start(() => void world.woken++);
  return { clock, world, probes };
}

test("one that does not answer is asked again, ever more slowly, and wakes its cluster only when the answer changes", async () => {
  const { clock, world, probes } = probing();
  assert.equal(probes.want(key, cluster), undefined);
  await clock.advance(0);
  assert.deepEqual(probes.want(key, cluster), silent);
  await clock.advance(600_000);
  assert.ok(world.asked >= 10 && world.asked <= 20, `asked ${world.asked} times in ten minutes`);
  assert.equal(world.woken, 1);
  world.answer = nodes;
  await clock.advance(60_000);
  assert.deepEqual([probes.want(key, cluster), world.woken], [nodes, 2]);
  const asked = world.asked;
  await clock.advance(300_000);
  assert.equal(world.asked, asked, "one that answers is left alone for five minutes");
  probes[Symbol.dispose]();
  assert.equal(clock.pendingTimers, 0);
});

test("one that answered is called unreachable after three silences in a row, not after one", async () => {
  const { clock, world, probes } = probing();
  world.answer = nodes;
  probes.want(key, cluster);
  await clock.advance(0);
  world.answer = silent;
  await clock.advance(460_000);
  assert.deepEqual(probes.want(key, cluster), nodes);
  world.answer = nodes;
  await clock.advance(10_000);
  assert.deepEqual([probes.want(key, cluster), world.woken], [nodes, 1]);
  world.answer = silent;
  await clock.advance(480_000);
  assert.deepEqual(probes.want(key, cluster), silent);
  probes[Symbol.dispose]();
});

test("while nobody can be asked, what was answered last stands, and it is asked again", async () => {
  const { clock, world, probes } = probing();
  world.answer = nodes;
  probes.want(key, cluster);
  await clock.advance(0);
  world.answer = undefined;
  await clock.advance(3_600_000);
  assert.deepEqual([probes.want(key, cluster), world.woken], [nodes, 1]);
  assert.ok(world.asked > 30 && world.asked < 120, `asked ${world.asked} times in an hour`);
  world.answer = nodes;
  await clock.advance(60_000);
  const asked = world.asked;
  await clock.advance(240_000);
  assert.equal(world.asked, asked, "one that answers is left alone again");
  probes[Symbol.dispose]();
});

test("a probe that hangs holds up nobody else, and is ended when it is no longer wanted", async () => {
  const { clock, world, probes } = probing();
  world.hang = true;
  probes.want(key, cluster);
  await clock.advance(0);
  world.hang = false;
  const other = { namespace: "ns", name: "other" };
  probes.want(other, other);
  await clock.advance(0);
  assert.deepEqual(probes.want(other, other), silent);
  probes.forget(key);
  probes.forget(other);
  assert.equal(clock.pendingTimers, 0);
});

const kubeconfig = (user: string, clusterFields = ""): string => `apiVersion: v1
kind: Config
current-context: demo
contexts: [{name: demo, context: {cluster: demo, user: admin}}]
clusters: [{name: demo, cluster: {server: "https://10.0.0.240:6443", certificate-authority-data: LS0t${clusterFields}}}]
users: [{name: admin, user: ${user}}]
`;

test("of a kubeconfig only what stands in it is used: programs and files are refused", () => {
  const read = readWorkloadKubeconfig(kubeconfig("{client-certificate-data: LS0t, client-key-data: LS0t}"));
  assert.deepEqual(read.ok && read.value, {
    server: "https://10.0.0.240:6443",
    namespace: "default",
    certificateAuthority: { text: "---" },
    clientCertificate: { text: "---" },
    clientKey: { text: "---" },
  });
  for (const text of [
    kubeconfig("{exec: {command: /bin/sh}}"),
    kubeconfig("{tokenFile: /etc/passwd}"),
    kubeconfig("{client-certificate: /etc/passwd}"),
    kubeconfig("{auth-provider: {name: gcp}}"),
    kubeconfig("{token: t}", ", certificate-authority: /etc/passwd"),
    kubeconfig("{token: t}").replace("https:", "http:"),
    kubeconfig("{token: t}").replace("current-context: demo", "current-context: other"),
    "",
    "{",
  ]) {
    assert.equal(readWorkloadKubeconfig(text).ok, false, text);
  }
});

test("a probe says what it found, in words that lead on", async () => {
  const api = new FakeCluster();
  const workload = new FakeCluster();
  let items: readonly object[] = [];
  let broken: Error | undefined;
  workload.onRequest((_, path) => (path === "/api/v1/nodes?limit=1" ? { items } : undefined));
  const connect = (): KubernetesClient => {
    if (broken !== undefined) throw broken;
    return workload.client();
  };
  const probe = controlPlaneProbe({ client: api.client(), connect });
  const ask = (): Promise<ProbeAnswer | undefined> => probe(cluster, new AbortController().signal);
  const store = async (value: string): Promise<void> => {
    const secret = { namespace: "ns", name: "demo-kubeconfig" };
    await api.client().delete(secrets, secret);
    api.put(secrets, { metadata: secret, data: { value: Buffer.from(value).toString("base64") } });
  };
  assert.deepEqual(await ask(), {
    answer: "kubeconfig-invalid",
    message: "the secret demo-kubeconfig is not there",
  });
  await store("");
  assert.match((await ask())?.message ?? "", /has no key "value"/);
  await store(kubeconfig("{exec: {command: /bin/sh}}"));
  assert.match(
    (await ask())?.message ?? "",
    /^the kubeconfig in secret demo-kubeconfig cannot be used: users\.0\.user/,
  );
  await store(kubeconfig("{token: t}"));
  assert.equal((await ask())?.answer, "no-nodes");
  items = [{}];
  assert.equal((await ask())?.answer, "nodes");
  broken = new Error("connect ECONNREFUSED 10.0.0.240:6443");
  assert.deepEqual(await ask(), { answer: "silent", message: "connect ECONNREFUSED 10.0.0.240:6443" });
  api.fail({ verb: "get", kind: "Secret" }, { status: 403 });
  const message = "capmvm may not read the secret demo-kubeconfig";
  assert.deepEqual(await ask(), { answer: "kubeconfig-invalid", message });
  api.fail({ verb: "get", kind: "Secret" }, { status: 503 });
  assert.equal(await ask(), undefined, "trouble of the management cluster says nothing of this one");
});
