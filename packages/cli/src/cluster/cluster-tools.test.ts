/** `lm kubectl` and `lm clusterctl`, with a script in their place that tells what it was given. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { clusters, secrets } from "./objects.ts";
import { ClusterWorld } from "./testing/cluster-session.ts";

describe("kubectl and clusterctl", () => {
  const directory = mkdtempSync(join(tmpdir(), "lm-tools-"));
  const seen = join(directory, "seen");
  after(() => rmSync(directory, { recursive: true, force: true }));

  const tool = join(directory, "tool");
  writeFileSync(
    tool,
    `#!/bin/sh\n{ printf '%s ' "$@"; echo; echo "$KUBECONFIG"; stat -c %a "$KUBECONFIG" && cat "$KUBECONFIG"; } >'${seen}' 2>/dev/null\nexit 7\n`,
    { mode: 0o755 },
  );
  mkdirSync(join(directory, "management"));
  const software = { programs: { kubectl: tool, clusterctl: tool } };
  writeFileSync(join(directory, "management/software.json"), JSON.stringify(software));
  const world = new ClusterWorld({ env: { LM_STATE_DIR: directory, PATH: process.env["PATH"] ?? "" } });
  const told = (): readonly string[] => readFileSync(seen, "utf8").split("\n");

  test("a cluster's kubeconfig is the tool's alone, and gone with it; the exit code is the tool's", async () => {
    const name = { namespace: "default", name: "demo" };
    world.api.put(clusters, { apiVersion: "cluster.x-k8s.io/v1beta2", kind: "Cluster", metadata: name });
    const kubeconfig = `apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts: [{name: c, context: {cluster: c, user: u}}]\nclusters: [{name: c, cluster: {server: "https://10.0.0.9:6443"}}]\nusers: [{name: u, user: {token: t}}]\n`;
    const value = Buffer.from(kubeconfig).toString("base64");
    world.api.put(secrets, { metadata: { namespace: "default", name: "demo-kubeconfig" }, data: { value } });
    const { code } = await world.run("kubectl --cluster demo -- get nodes -o wide");
    assert.equal(code, 7);
    const [words, file = "", mode, ...content] = told();
    assert.equal(words, "get nodes -o wide ");
    assert.equal(mode, "600");
    assert.match(
      content.join("\n"),
      /server: https:\/\/10\.0\.0\.9:6443[\s\S]*proxy-url: http:\/\/127\.0\.0\.1:8123|proxy-url[\s\S]*10\.0\.0\.9/,
    );
    assert.equal(existsSync(file), false);
  });

  test("without a cluster they speak with the management cluster, in its namespace where one is named", async () => {
    await world.run("kubectl -n fleet -- get machines");
    assert.deepEqual(told().slice(0, 2), [
      "--namespace fleet get machines ",
      join(directory, "management/admin.kubeconfig"),
    ]);
    await world.run("clusterctl -n fleet --kubeconfig other.yaml --kube-context west -- describe cluster demo");
    assert.deepEqual(told().slice(0, 2), [
      "describe cluster demo --kubeconfig-context west --namespace fleet ",
      "other.yaml",
    ]);
  });

  test("say what to do where there is no such program", async () => {
    const bare = new ClusterWorld({ env: { LM_STATE_DIR: join(directory, "none"), PATH: join(directory, "none") } });
    await assert.rejects(bare.run("clusterctl -- version"), {
      code: "UNAVAILABLE",
      message: "clusterctl cannot be run",
    });
  });
});
