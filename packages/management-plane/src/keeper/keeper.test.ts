import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { FakeClock } from "@liquidmetal/foundation";
import { type KubernetesObject, resource } from "@liquidmetal/kubernetes";
import { FakeCluster } from "@liquidmetal/kubernetes/fake";
import type { PlaneCertificates } from "../certificates/plane-certificates.ts";
import type { Manifest } from "../manifests/manifest.ts";
import { appliedKey, applyManifests, digestOf } from "./apply-manifests.ts";
import { Keeper } from "./keeper.ts";
import type { KeeperConfiguration, ManifestSet } from "./keeper-configuration.ts";

const configMaps = resource<KubernetesObject & { readonly data?: Readonly<Record<string, string>> }>({
  ...{ group: "", version: "v1", kind: "ConfigMap", plural: "configmaps", namespaced: true },
});
const clusterRoles = resource<KubernetesObject & { readonly rules?: readonly unknown[] | null }>({
  ...{ group: "rbac.authorization.k8s.io", version: "v1", kind: "ClusterRole" },
  ...{ plural: "clusterroles", namespaced: false },
});

const hour = 3_600_000;
const configMap = (name: string, value: string): Manifest => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name, namespace: "default" },
  data: { value },
});
const set = (name: string, ...manifests: readonly Manifest[]): ManifestSet => ({ name, manifests });

/** A server that knows ConfigMaps, and gives tokens for as long as it likes. */
function world(
  clock: FakeClock,
  tokenMs = 24 * hour,
): { readonly cluster: FakeCluster; readonly tokens: () => number } {
  const cluster = new FakeCluster({ clock });
  let given = 0;
  cluster.onRequest((method, path) => {
    if (method === "GET" && path === "/api/v1")
      return { resources: [{ name: "configmaps", kind: "ConfigMap", namespaced: true }] };
    if (method === "POST" && path.endsWith("/token")) {
      given += 1;
      const expirationTimestamp = new Date(clock.nowMs() + tokenMs).toISOString();
      return { status: { token: `token-${given}`, expirationTimestamp } };
    }
    return undefined;
  });
  return { cluster, tokens: () => given };
}

describe("sets of manifests", () => {
  const apply = (cluster: FakeCluster, clock: FakeClock, ...sets: readonly ManifestSet[]): Promise<readonly string[]> =>
    applyManifests(sets, { client: cluster.client(), clock, signal: AbortSignal.timeout(5_000), report: () => {} });

  test("are applied when they are new or have changed, and not again", async () => {
    const clock = new FakeClock();
    const { cluster } = world(clock);
    const [a, b] = [set("a", configMap("one", "1")), set("b", configMap("two", "2"))];
    assert.deepEqual(await apply(cluster, clock, a, b), ["a", "b"]);
    cluster.forgetCalls();
    assert.deepEqual(await apply(cluster, clock, a, b), []);
    assert.deepEqual(cluster.writes(), {});
    const changed = set("b", configMap("two", "3"));
    assert.deepEqual(await apply(cluster, clock, a, changed), ["b"]);
    assert.equal(cluster.read(configMaps, { namespace: "default", name: "two" })?.data?.["value"], "3");
    assert.deepEqual(cluster.read(configMaps, appliedKey)?.data, { a: digestOf(a), b: digestOf(changed) });
  });

  test("that were interrupted are applied again, those before them are not", async () => {
    const clock = new FakeClock();
    const { cluster } = world(clock);
    const [a, b] = [set("a", configMap("one", "1")), set("b", configMap("two", "2"), configMap("three", "3"))];
    cluster.fail({ verb: "apply", name: "three" }, { status: 403 });
    await assert.rejects(apply(cluster, clock, a, b), { message: /ConfigMap three could not be applied/ });
    assert.deepEqual(await apply(cluster, clock, a, b), ["b"]);
  });

  test("of a kind that nobody knows are refused by name", async () => {
    const clock = new FakeClock();
    const { cluster } = world(clock);
    const strange = { ...configMap("x", ""), kind: "Strange" };
    await assert.rejects(apply(cluster, clock, set("a", strange)), { code: "OBJECT_INVALID", message: /v1 Strange/ });
  });
});

describe("keeper", () => {
  let directory: string;
  let stop: AbortController;
  let clock: FakeClock;
  const running: Promise<void>[] = [];
  const certificatesMade: number[] = [];

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "lm-keeper-"));
    stop = new AbortController();
    clock = new FakeClock();
    certificatesMade.length = 0;
  });
  afterEach(async () => {
    stop.abort();
    await Promise.all(running.splice(0));
    rmSync(directory, { recursive: true, force: true });
  });

  const configuration = (): KeeperConfiguration => ({
    url: "https://127.0.0.1:6443",
    certificates: directory,
    adminKubeconfig: { file: join(directory, "admin.kubeconfig"), proxyUrl: "http://127.0.0.1:20000" },
    manifestsFile: "",
    aggregatedRoles: ["collected"],
    tokens: [{ namespace: "system", serviceAccount: "manager", file: join(directory, "manager.token") }],
    healthPort: 0,
  });

  async function certificates(folder: string): Promise<PlaneCertificates> {
    certificatesMade.push(clock.nowMs());
    const pair = (name: string): PlaneCertificates["admin"] => ({
      certificate: join(folder, `${name}.crt`),
      key: join(folder, `${name}.key`),
    });
    for (const file of Object.values(pair("x"))) await writeFile(file, `of ${certificatesMade.length}`);
    const one = pair("x");
    return {
      ...{ directory: folder, authority: one, serving: one, admin: one, controllerManager: one },
      ...{ etcdAuthority: one, etcd: one, etcdClient: one, serviceAccounts: { privateKey: "", publicKey: "" } },
    };
  }

  function start(cluster: FakeCluster): { readonly keeper: Keeper; readonly said: readonly string[] } {
    const said: string[] = [];
    const keeper = new Keeper({
      configuration: configuration(),
      manifests: async () => [set("a", configMap("one", "1"))],
      client: cluster.client(),
      report: (line) => said.push(line),
      signal: stop.signal,
      clock,
      entropy: { bytes: (length) => new Uint8Array(length), fraction: () => 0 },
      ensureCertificates: certificates,
    });
    running.push(keeper.run());
    return { keeper, said };
  }

  /** Turns of the event loop and of the clock until it is so. Files are real and time is not: it moves only while the keeper waits for it. */
  async function until(what: string, wanted: () => boolean, stepMs = 100): Promise<void> {
    const deadline = AbortSignal.timeout(5_000);
    while (!wanted()) {
      assert.equal(deadline.aborted, false, `waited for ${what}`);
      if (clock.pendingTimers > 0) await clock.advance(stepMs);
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
  }

  const role = (
    rules: readonly unknown[] | null,
  ): KubernetesObject & { readonly rules: readonly unknown[] | null } => ({
    metadata: { name: "collected" },
    rules,
  });
  const tokenOf = (): string => readFileSync(join(directory, "manager.token"), "utf8");

  test("is ready when manifests, roles and tokens are there, and not before", async () => {
    const { cluster } = world(clock);
    cluster.put(clusterRoles, role(null));
    const { keeper } = start(cluster);
    await until("the roles", () => keeper.problem === "waiting for the aggregated roles");
    assert.equal(keeper.ready, false);
    await cluster
      .client()
      .mergePatch(clusterRoles, { namespace: "", name: "collected" }, { rules: [{ verbs: ["get"] }] });
    await until("the end of it", () => keeper.problem === "" && keeper.ready);
    assert.equal(tokenOf(), "token-1");
    assert.equal(statSync(join(directory, "manager.token")).mode & 0o777, 0o600);
  });

  test("renews tokens at four fifths of the life that the server gave them", async () => {
    const { cluster, tokens } = world(clock, 10 * hour);
    cluster.put(clusterRoles, role([{}]));
    const { keeper } = start(cluster);
    await until("the start", () => keeper.ready && keeper.problem === "");
    const begunMs = clock.nowMs();
    await until("the next token", () => tokens() === 2, hour / 4);
    const afterHours = (clock.nowMs() - begunMs) / hour;
    assert.ok(afterHours >= 7.9 && afterHours <= 9, `after ${afterHours} h`);
    await until("it is in the file", () => tokenOf() === "token-2");
  });

  test("looks at the certificates every day, and writes the administrator's kubeconfig anew", async () => {
    const { cluster } = world(clock);
    cluster.put(clusterRoles, role([{}]));
    const { keeper } = start(cluster);
    await until("the start", () => keeper.ready && keeper.problem === "");
    await until("the next day", () => certificatesMade.length === 2, hour / 2);
    const [first = 0, second = 0] = certificatesMade;
    assert.ok(second - first >= 24 * hour && second - first <= 26 * hour);
    const kubeconfig = (): string => readFileSync(join(directory, "admin.kubeconfig"), "utf8");
    await until("the kubeconfig", () => kubeconfig().includes(Buffer.from("of 2").toString("base64")));
    assert.match(kubeconfig(), /"proxy-url": "http:\/\/127\.0\.0\.1:20000"/);
  });

  test("says what fails, tries again, and says when all is well", async () => {
    const { cluster } = world(clock);
    cluster.put(clusterRoles, role([{}]));
    cluster.fail({ kind: "ConfigMap", verb: "get" }, { status: 0, message: "nobody listens", times: 3 });
    const { keeper, said } = start(cluster);
    await until("the failure", () => /nobody listens|broke/.test(keeper.problem));
    await until("the end of it", () => keeper.ready && keeper.problem === "");
    assert.equal(said.at(-1), "all is well");
  });

  test("stays ready when a renewal fails, tells of it, and the old token stays", async () => {
    const { cluster, tokens } = world(clock, 10 * hour);
    cluster.put(clusterRoles, role([{}]));
    const { keeper } = start(cluster);
    await until("the start", () => keeper.ready && keeper.problem === "");
    const failing = cluster.fail({ verb: "request" }, { status: 503, message: "not now", times: 1_000 });
    await until("the failure", () => keeper.problem !== "", hour / 4);
    assert.equal(keeper.ready, true);
    assert.equal(tokenOf(), "token-1");
    failing[Symbol.dispose]();
    await until("the renewal", () => tokens() === 2 && keeper.problem === "", 30_000);
  });
});
