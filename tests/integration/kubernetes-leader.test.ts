/** Processes that take turns on one Lease of the real kube-apiserver: killed, stopped, frozen, and beside an elector of client-go. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { after, afterEach, before, test } from "node:test";
import { connectCluster, type KubernetesClient, leases, loadKubeconfig, manifestYaml } from "@liquidmetal/kubernetes";
import { gadgetDefinition, gadgets } from "../assets/kubernetes-gadget.ts";
import { type ApiServer, startApiServer } from "../assets/management-plane.ts";
import { leaderProgram } from "./kubernetes-leader-child.ts";

const leaseMs = 4_000;
const deadlineMs = 2_500;
const retryMs = 500;
const key = { namespace: "kube-system", name: "leader-test" };

const stack = new AsyncDisposableStack();
let server: ApiServer;
let client: KubernetesClient;
const running: Candidate[] = [];

/** One process, and what it said, with the time by the machine's clock. */
class Candidate {
  readonly process: ChildProcess;
  readonly name: string;
  readonly said: { readonly word: string; readonly atMs: number }[] = [];
  #heard = Promise.withResolvers<void>();
  #errors = "";

  constructor(name: string) {
    this.name = name;
    const times = [leaseMs, deadlineMs, retryMs].map(String);
    this.process = spawn(process.execPath, [leaderProgram, server.kubeconfigFile, name, ...times], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    running.push(this);
    this.process.stderr?.on("data", (data) => {
      this.#errors += data;
    });
    if (this.process.stdout !== null) createInterface(this.process.stdout).on("line", (line) => this.#hear(line));
    this.process.once("exit", () => this.#hear("exit 0"));
  }

  #hear(line: string): void {
    const words = line.split(" ");
    const atMs = Number(words.pop());
    this.said.push({ word: words.join(" "), atMs: words[0] === "exit" ? Date.now() : atMs });
    this.#heard.resolve();
    this.#heard = Promise.withResolvers();
  }

  /** Time at which it said so. */
  async says(word: string, withinMs = 60_000): Promise<number> {
    const late = AbortSignal.timeout(withinMs);
    for (;;) {
      const found = this.said.find((line) => line.word === word);
      if (found !== undefined) return found.atMs;
      const words = this.said.map((line) => line.word).join(", ");
      assert.ok(!late.aborted, `${this.name} did not say '${word}' but: ${words}\n${this.#errors}`);
      await Promise.race([this.#heard.promise, once(late, "abort")]);
    }
  }

  hasSaid(word: string): boolean {
    return this.said.some((line) => line.word === word);
  }
}

before(
  async () => {
    server = stack.use(await startApiServer());
    await server.kubectl(["apply", "--server-side", "-f", "-"], manifestYaml(gadgetDefinition()));
    await server.kubectl([
      "wait",
      "--for=condition=Established",
      "--timeout=30s",
      "crd/gadgets.runtime.liquidmetal.dev",
    ]);
    client = connectCluster({
      configuration: await loadKubeconfig({ path: server.kubeconfigFile }),
      userAgent: "test/1",
    });
    stack.defer(() => client.close());
  },
  { timeout: 300_000 },
);
afterEach(async () => {
  for (const { process } of running.splice(0)) {
    if (process.exitCode !== null || process.signalCode !== null) continue;
    process.kill("SIGKILL");
    await once(process, "exit");
  }
  await client.delete(leases, key);
  for (const { metadata } of (await client.list(gadgets)).items) {
    await client.delete(gadgets, { namespace: "default", name: metadata?.name ?? "" });
  }
});
after(() => stack.disposeAsync());

const make = (name: string) =>
  client.create(gadgets, { metadata: { namespace: "default", name }, spec: { sizeMiB: 1 } });

/** The first leads, the second waits for it. */
async function pair(): Promise<readonly [Candidate, Candidate]> {
  const first = new Candidate("first");
  await first.says("leads");
  const second = new Candidate("second");
  await second.says("waits");
  return [first, second];
}

test("a leader that is killed is followed when its lease has run out, and its work goes on", {
  timeout: 180_000,
}, async () => {
  const [first, second] = await pair();
  await make("before");
  await first.says("worked default/before");
  const killedMs = Date.now();
  first.process.kill("SIGKILL");
  await make("between");
  const leadsMs = await second.says("leads");
  // Whoever lives has renewed within the deadline; the rest of its lease others wait.
  assert.ok(leadsMs - killedMs > leaseMs - deadlineMs, `after ${leadsMs - killedMs} ms`);
  assert.ok(leadsMs - killedMs < leaseMs + 10_000, `after ${leadsMs - killedMs} ms`);
  await second.says("worked default/between");
  assert.equal((await client.get(leases, key)).spec?.leaseTransitions, 1);
  assert.ok(!second.hasSaid("worked default/before"));
});

test("a leader that is told to stop hands over at once, and ends well", { timeout: 180_000 }, async () => {
  const [first, second] = await pair();
  first.process.kill("SIGTERM");
  const releasedMs = await first.says("released");
  const leadsMs = await second.says("leads");
  assert.ok(leadsMs < releasedMs + leaseMs - 1_000, `${leadsMs - releasedMs} ms after the release`);
  await first.says("exit");
  assert.equal(first.process.exitCode, 0);
});

test("a leader that was frozen finds itself followed, and ends without doing more", { timeout: 180_000 }, async () => {
  const [first, second] = await pair();
  first.process.kill("SIGSTOP");
  await second.says("leads");
  await make("during");
  await second.says("worked default/during");
  first.process.kill("SIGCONT");
  await first.says("failed LEADERSHIP_LOST");
  await first.says("exit");
  assert.equal(first.process.exitCode, 1);
  assert.ok(!first.hasSaid("worked default/during"));
  await make("later");
  await second.says("worked default/later");
});

test("takes turns with an elector of client-go", { timeout: 180_000 }, async () => {
  const arguments_ = [
    `--kubeconfig=${server.kubeconfigFile}`,
    "--leader-elect=true",
    `--leader-elect-resource-namespace=${key.namespace}`,
    `--leader-elect-resource-name=${key.name}`,
    `--leader-elect-lease-duration=${leaseMs}ms`,
    `--leader-elect-renew-deadline=${deadlineMs}ms`,
    `--leader-elect-retry-period=${retryMs}ms`,
    "--controllers=ttl-controller",
    "--secure-port=0",
  ];
  const program = server.plane.programs["kube-controller-manager"];
  const theirs = spawn(program, arguments_, { stdio: "ignore" });
  try {
    const holder = await heldBy((identity) => identity !== "" && identity !== "ours");
    const ours = new Candidate("ours");
    await ours.says("waits");
    assert.ok(await keepsHolding(holder), "the lease of client-go's elector was taken while it renewed it");
    assert.ok(!ours.hasSaid("leads"));
    theirs.kill("SIGKILL");
    await ours.says("leads");
    const again = spawn(program, arguments_, { stdio: "ignore" });
    try {
      await ours.says("leads");
      assert.ok(await keepsHolding("ours"), "client-go's elector took the lease while ours renewed it");
      ours.process.kill("SIGTERM");
      await ours.says("released");
      await heldBy((identity) => identity !== "" && identity !== "ours");
    } finally {
      again.kill("SIGKILL");
    }
  } finally {
    theirs.kill("SIGKILL");
  }
});

async function heldBy(wanted: (identity: string) => boolean): Promise<string> {
  const signal = AbortSignal.timeout(30_000);
  const { resourceVersion } = await client.list(leases, { namespace: key.namespace, signal });
  const now = (await client.find(leases, key, { signal }))?.spec?.holderIdentity ?? "";
  if (wanted(now)) return now;
  for await (const event of client.watch(leases, { namespace: key.namespace, resourceVersion, signal })) {
    if (event.type === "BOOKMARK" || event.object.metadata?.name !== key.name) continue;
    const identity = event.object.spec?.holderIdentity ?? "";
    if (wanted(identity)) return identity;
  }
  throw new Error("the watch ended");
}

/** True when the holder renews for longer than a lease, and nobody else comes in between. */
async function keepsHolding(identity: string): Promise<boolean> {
  const signal = AbortSignal.timeout(20_000);
  const { resourceVersion } = await client.list(leases, { namespace: key.namespace, signal });
  const startMs = Date.now();
  for await (const event of client.watch(leases, { namespace: key.namespace, resourceVersion, signal })) {
    if (event.type === "BOOKMARK" || event.object.metadata?.name !== key.name) continue;
    if (event.object.spec?.holderIdentity !== identity) return false;
    if (Date.now() - startMs > leaseMs + 2 * retryMs) return true;
  }
  return false;
}
