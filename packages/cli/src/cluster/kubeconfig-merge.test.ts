import assert from "node:assert/strict";
import { mkdtemp, readFile, readlink, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { loadKubeconfig } from "@liquidmetal/kubernetes";
import { parse } from "yaml";
import { changeKubeconfigFile, kubeconfigPath } from "./kubeconfig-file.ts";
import {
  kubeconfigText,
  mergeKubeconfig,
  readSingleKubeconfig,
  renamed,
  type SingleKubeconfig,
  throughProxy,
} from "./kubeconfig-merge.ts";

const pem = Buffer.from("-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----\n").toString("base64");

function clusterConfig(name: string, server = `https://${name}.test:6443`): SingleKubeconfig {
  return {
    clusterName: name,
    userName: `${name}-admin`,
    contextName: `${name}-admin@${name}`,
    cluster: {
      server,
      "certificate-authority-data": Buffer.from(`-----BEGIN CERTIFICATE-----\n${name}`).toString("base64"),
    },
    user: { "client-certificate-data": pem, "client-key-data": pem },
  };
}

const others = `# my clusters
apiVersion: v1
kind: Config
preferences: {colors: true} # bright
clusters:
- name: home # at home
  cluster:
    server: https://home.test:6443
    insecure-skip-tls-verify: true
    extensions:
    - {name: x, extension: {kept: yes}}
contexts:
- name: home
  context: {cluster: home, user: me, namespace: work}
users:
- name: me
  user:
    exec: {apiVersion: client.authentication.k8s.io/v1, command: login, args: [--fast]}
current-context: home
`;

type Parsed = Readonly<Record<string, readonly { readonly name: string }[]>> & { readonly "current-context": string };
const entriesOf = (text: string, key: string): readonly { readonly name: string }[] =>
  (parse(text) as Parsed)[key] ?? [];

describe("merging a kubeconfig", () => {
  test("leaves every other entry, comment and unknown field", () => {
    const merged = mergeKubeconfig(others, clusterConfig("demo"));
    for (const line of ["# my clusters", "# bright", "# at home"]) assert.ok(merged.includes(line), line);
    const [before, after] = [parse(others), parse(merged)];
    assert.deepEqual(after.clusters[0], before.clusters[0]);
    assert.deepEqual(after.contexts[0], before.contexts[0]);
    assert.deepEqual(after.users[0], before.users[0]);
    assert.deepEqual(after.preferences, before.preferences);
    assert.equal(after["current-context"], "home");
    assert.deepEqual(
      entriesOf(merged, "contexts").map(({ name }) => name),
      ["home", "demo-admin@demo"],
    );
  });

  test("any number of clusters in any order, again and again: each is there once, as it was said last", () => {
    const names = ["a", "b", "c", "d"];
    for (let round = 0; round < 24; round += 1) {
      const order = Array.from(
        { length: 12 },
        (_, index) => names[(index * (round + 1) + round * 7) % names.length] ?? "a",
      );
      let text = round % 2 === 0 ? others : "";
      for (const name of order) text = mergeKubeconfig(text, clusterConfig(name));
      const expected = [...(round % 2 === 0 ? ["home"] : []), ...new Set(order)];
      assert.deepEqual(
        entriesOf(text, "clusters").map(({ name }) => name),
        expected,
      );
      assert.equal(entriesOf(text, "users").length, expected.length);
      for (const name of new Set(order)) {
        const found = entriesOf(text, "clusters").find((each) => each.name === name);
        assert.deepEqual(found, { name, cluster: clusterConfig(name).cluster });
      }
    }
  });

  test("twice the same changes nothing the second time", () => {
    const once = mergeKubeconfig(others, clusterConfig("demo"));
    assert.equal(mergeKubeconfig(once, clusterConfig("demo")), once);
  });

  test("a cluster made anew keeps the namespace that was chosen for its context", () => {
    const chosen = mergeKubeconfig("", clusterConfig("demo")).replace(
      "user: demo-admin\n",
      "user: demo-admin\n      namespace: mine\n",
    );
    const again = {
      ...clusterConfig("demo"),
      cluster: { server: "https://demo.test:6443", "certificate-authority-data": pem },
    };
    const merged = parse(mergeKubeconfig(chosen, again));
    assert.equal(merged.clusters[0].cluster["certificate-authority-data"], pem);
    assert.equal(merged.contexts[0].context.namespace, "mine");
  });

  test("another cluster of the same name is not replaced unawares", () => {
    const theirs = mergeKubeconfig(others, clusterConfig("demo", "https://elsewhere.test"));
    const mine = {
      ...clusterConfig("demo"),
      cluster: { server: "https://demo.test:6443", "certificate-authority-data": pem },
    };
    assert.throws(() => mergeKubeconfig(theirs, mine), { code: "OBJECT_EXISTS", message: /elsewhere\.test/ });
    assert.equal(
      parse(mergeKubeconfig(theirs, mine, { overwrite: true })).clusters[1].cluster.server,
      "https://demo.test:6443",
    );
    assert.deepEqual(
      entriesOf(mergeKubeconfig(theirs, renamed(mine, "mine")), "clusters").map(({ name }) => name),
      ["home", "demo", "mine"],
    );
  });

  test("the current context changes when asked for, or when there is none", () => {
    const current = (text: string): string => (parse(text) as Parsed)["current-context"];
    assert.equal(current(mergeKubeconfig(others, clusterConfig("demo"), { use: true })), "demo-admin@demo");
    assert.equal(current(mergeKubeconfig("kind: Config\nclusters: []\n", clusterConfig("demo"))), "demo-admin@demo");
  });

  test("empty lists, null lists and JSON files", () => {
    for (const text of [
      "clusters: null\nusers: []\ncontexts:\n",
      '{"clusters":[],"users":null}',
      "  \n",
      "kind: Config\n",
    ]) {
      const merged = mergeKubeconfig(text, clusterConfig("demo"));
      assert.deepEqual(
        entriesOf(merged, "clusters").map(({ name }) => name),
        ["demo"],
        text,
      );
      assert.deepEqual(readSingleKubeconfig(merged), clusterConfig("demo"));
    }
  });

  test("what is no kubeconfig is not touched", () => {
    for (const text of ["- a\n", "just text", "a: [", "a: b: c"])
      assert.throws(() => mergeKubeconfig(text, clusterConfig("demo")), { code: "KUBECONFIG_INVALID" }, text);
    assert.throws(() => readSingleKubeconfig("clusters: []"), { code: "KUBECONFIG_INVALID" });
  });
});

describe("a kubeconfig file", () => {
  let directory: string;
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "lm-kubeconfig-"));
  });
  after(() => rm(directory, { recursive: true, force: true }));

  test("is made for its owner only, and then understood with its proxy", async () => {
    const path = join(directory, "new", "config");
    const config = throughProxy(clusterConfig("demo"), "http://127.0.0.1:8123");
    assert.deepEqual(await changeKubeconfigFile(path, (text) => mergeKubeconfig(text, config)), { path });
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    const loaded = await loadKubeconfig({ path });
    assert.equal(loaded.server, "https://demo.test:6443");
    assert.equal(loaded.proxyUrl, "http://127.0.0.1:8123");
  });

  test("keeps what was there beside it, its mode, and a link that leads to it", async () => {
    const target = join(directory, "real");
    const link = join(directory, "link");
    await writeFile(target, others, { mode: 0o640 });
    await symlink(target, link);
    const changed = await changeKubeconfigFile(link, (text) => mergeKubeconfig(text, clusterConfig("demo")));
    assert.equal(await readFile(changed.backup ?? "", "utf8"), others);
    assert.equal(await readlink(link), target);
    assert.equal((await stat(target)).mode & 0o777, 0o640);
    assert.match(await readFile(target, "utf8"), /demo-admin@demo/);
  });

  test("is left alone while kubectl has it, and when the change is refused", async () => {
    const path = join(directory, "busy");
    await writeFile(path, others);
    await writeFile(`${path}.lock`, "");
    await assert.rejects(
      changeKubeconfigFile(path, () => "x"),
      { code: "STATE_LOCKED" },
    );
    await rm(`${path}.lock`);
    await assert.rejects(
      changeKubeconfigFile(path, (text) => mergeKubeconfig(`${text}\n[`, clusterConfig("demo"))),
      { code: "KUBECONFIG_INVALID" },
    );
    assert.equal(await readFile(path, "utf8"), others);
    await assert.rejects(stat(`${path}.lock`));
    await assert.rejects(stat(`${path}.lm-backup`));
  });

  test("is the one that kubectl would write to", async () => {
    const there = join(directory, "there");
    await writeFile(there, "");
    const gone = join(directory, "gone");
    assert.equal(await kubeconfigPath({ KUBECONFIG: `${gone}:${there}` }), there);
    assert.equal(await kubeconfigPath({ KUBECONFIG: `${gone}:${gone}2` }), `${gone}2`);
    assert.equal(await kubeconfigPath({ HOME: "/home/me" }), "/home/me/.kube/config");
  });

  test("of one cluster alone is read again as it was written", () => {
    assert.deepEqual(readSingleKubeconfig(kubeconfigText(clusterConfig("demo"))), clusterConfig("demo"));
  });
});
