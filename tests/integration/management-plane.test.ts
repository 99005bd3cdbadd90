/** The management plane as processes: it comes up, its webhooks and identities are the real ones, and it survives what happens to processes. */
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";
import { ManagementPlane, type RunningClusterApi, startClusterApi } from "@liquidmetal/management-plane";
import { eventually, JsonApi, RefusedByServer } from "../assets/management/json-api.ts";
import { preparedPrograms } from "../assets/management/prepared-programs.ts";
import { type ApiServer, runKubectl, startApiServer } from "../assets/management-plane.ts";

const run = promisify(execFile);

describe("a management plane", () => {
  let server: ApiServer;
  let clusterApi: RunningClusterApi;
  let api: JsonApi;

  before(async () => {
    server = await startApiServer({ controllerManager: true });
    clusterApi = await startClusterApi(server.plane);
    api = new JsonApi(server);
  });
  after(async () => {
    api?.[Symbol.dispose]();
    await server?.[Symbol.asyncDispose]();
    await clusterApi?.[Symbol.asyncDispose]();
  });

  it("runs Cluster API's managers as their own service accounts", async () => {
    const { kubectl } = server.plane.programs;
    for (const [provider, user] of [
      ["cluster-api", "system:serviceaccount:capi-system:capi-manager"],
      [
        "kubeadm-control-plane",
        "system:serviceaccount:capi-kubeadm-control-plane-system:capi-kubeadm-control-plane-manager",
      ],
    ] as const) {
      const { kubeconfigFile } = clusterApi.providers[provider];
      const name = await runKubectl(kubectl, kubeconfigFile, [
        "auth",
        "whoami",
        "-o",
        "jsonpath={.status.userInfo.username}",
      ]);
      assert.equal(name, user);
    }
  });

  it("answers with Cluster API's webhooks", async () => {
    const cluster = {
      apiVersion: "cluster.x-k8s.io/v1beta2",
      kind: "Cluster",
      metadata: { name: "bad", namespace: "default" },
      spec: {
        controlPlaneEndpoint: { host: "127.0.0.1", port: 6443 },
        clusterNetwork: { pods: { cidrBlocks: ["no"] } },
      },
    };
    await assert.rejects(api.post("/apis/cluster.x-k8s.io/v1beta2/namespaces/default/clusters", cluster), (error) => {
      assert.ok(error instanceof RefusedByServer);
      assert.match(error.message, /admission webhook .* denied|spec\.clusterNetwork/);
      return true;
    });
  });

  it("keeps the webhooks, which listen on all addresses, from other machines", async () => {
    const { stdout } = await run("nft", ["list", "ruleset"]);
    for (const { webhookPort } of Object.values(clusterApi.providers)) {
      const rule = new RegExp(`iifname != "lo" tcp dport \\{[^}]*\\b${webhookPort}\\b[^}]*\\} drop`);
      assert.match(stdout, rule);
    }
  });

  it("tells clusterctl what is installed", async () => {
    const { clusterctl } = server.plane.programs;
    const env = { ...process.env, CLUSTERCTL_DISABLE_VERSIONCHECK: "true" };
    const { stdout } = await run(clusterctl, ["version", "-o", "short"], { env });
    assert.equal(stdout.trim(), "v1.13.6");
    const providers = await api.list("/apis/clusterctl.cluster.x-k8s.io/v1alpha3/providers");
    assert.deepEqual(providers.map(({ metadata }) => metadata.name).sort(), [
      "bootstrap-kubeadm",
      "cluster-api",
      "control-plane-kubeadm",
    ]);
  });

  it("keeps what it knows when the API server is killed, and answers at the same place again", async () => {
    const namespace = { apiVersion: "v1", kind: "Namespace", metadata: { name: "kept" } };
    await api.post("/api/v1/namespaces", namespace);
    await server.process("kube-apiserver").restart();
    assert.equal((await api.get("/api/v1/namespaces/kept")).metadata.name, "kept");
  });

  it("empties namespaces that are deleted, because its controllers run", async () => {
    await api.delete("/api/v1/namespaces/kept");
    await eventually("the namespace is gone", async () =>
      (await api.find("/api/v1/namespaces/kept")) === undefined ? true : undefined,
    );
  });
});

describe("the processes of a plane", () => {
  it("go on where they were when they are started in the same folder again", async () => {
    const directory = await mkdtemp(join(tmpdir(), "lm-plane-again-"));
    try {
      const programs = await preparedPrograms();
      const first = await ManagementPlane.start({ directory, programs });
      await first.kubectl.run(["create", "configmap", "kept", "--from-literal=a=b"]);
      await first.stop();
      await using second = await ManagementPlane.start({ directory, programs, memory: "small" });
      assert.equal(second.url, first.url);
      const value = await second.kubectl.run(["get", "configmap", "kept", "-o", "jsonpath={.data.a}"]);
      assert.equal(value, "b");
      await second.kill();
    } finally {
      await rm(directory, { recursive: true, force: true, maxRetries: 5 });
    }
  });

  it("say why they do not start", async () => {
    const directory = await mkdtemp(join(tmpdir(), "lm-plane-bad-"));
    try {
      const programs = await preparedPrograms();
      await assert.rejects(
        ManagementPlane.start({ directory, programs, durable: false, apiServerArguments: ["--no-such-flag"] }),
        { code: "PROCESS_FAILED", message: /kube-apiserver ended with 1 .*unknown flag: --no-such-flag/s },
      );
    } finally {
      await rm(directory, { recursive: true, force: true, maxRetries: 5 });
    }
  });

  it("die with the process that started them", async () => {
    const source = `
      import { startApiServer } from ${JSON.stringify(join(import.meta.dirname, "../assets/management-plane.ts"))};
      const server = await startApiServer();
      console.log(JSON.stringify([server.directory, ...server.plane.processes.map((each) => each.pid)]));
      setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ["--input-type=module", "--eval", source], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [line] = (await once(child.stdout, "data")) as [Buffer];
    const [directory, ...pids] = JSON.parse(line.toString()) as [string, ...number[]];
    assert.equal(pids.length, 2);
    child.kill("SIGKILL");
    await once(child, "exit");
    for (const pid of pids) {
      await eventually(`process ${pid} is gone`, async () => (isAlive(pid) ? undefined : true), { timeoutMs: 10_000 });
    }
    await rm(directory, { recursive: true, force: true, maxRetries: 5 });
  });
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
