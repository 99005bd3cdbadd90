/**
 * The management plane of a whole platform, by `bin/lm`: up, reached by kubectl through the gateway, each part killed in turn and back with its data, the
 * supervisor killed, down and up, down --delete: nothing is left.
 */
import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import type { PlatformStatus } from "../../packages/platform/src/lifecycle/index.ts";
import { platformPaths } from "../../packages/platform/src/paths.ts";
import { findPlatformProcesses } from "../../packages/platform/src/process/identity.ts";
import { control } from "../../packages/platform/src/supervisor/control-client.ts";
import type { SupervisorStatus } from "../../packages/platform/src/supervisor/status.ts";
import { preparedPrograms } from "../assets/management/prepared-programs.ts";
import { runKubectl } from "../assets/management-plane.ts";

const lmProgram = join(import.meta.dirname, "../../bin/lm");
const run = promisify(execFile);
const parts = [
  ...["gateway-inside", "gateway", "etcd", "kube-apiserver", "kube-controller-manager", "plane-keeper"],
  ...["cluster-api", "kubeadm-bootstrap", "kubeadm-control-plane", "capmvm"],
];

function missing(): string | false {
  if (process.getuid?.() !== 0) return "needs root";
  for (const program of ["containerd", "ip", "nft", "dnsmasq", "nsenter", "openssl"]) {
    try {
      execFileSync("sh", ["-c", `command -v ${program}`]);
    } catch {
      return `needs ${program}`;
    }
  }
  return false;
}

describe("management plane of a platform", { timeout: 400_000, skip: missing() }, () => {
  const name = `p${randomBytes(3).toString("hex")}`;
  let directory: string;
  let env: NodeJS.ProcessEnv;
  let kubectlProgram: string;

  before(async () => {
    kubectlProgram = (await preparedPrograms()).kubectl;
    directory = mkdtempSync(join(tmpdir(), "lm-mgmt-"));
    chmodSync(directory, 0o711);
    env = {
      PATH: process.env["PATH"],
      HOME: process.env["HOME"],
      ...(process.env["XDG_CACHE_HOME"] && { XDG_CACHE_HOME: process.env["XDG_CACHE_HOME"] }),
      LM_PLATFORM: name,
      LM_STATE_DIR: join(directory, "s"),
      LM_RUN_DIR: join(directory, "r"),
    };
  });
  after(async () => {
    await lm("down", "--delete", "--yes").catch(() => undefined);
    rmSync(directory, { recursive: true, force: true });
  });

  const lm = async (...args: readonly string[]): Promise<string> =>
    (await run(lmProgram, [...args], { env, timeout: 240_000 })).stdout;
  const status = async (): Promise<PlatformStatus> => {
    const { stdout } = await run(lmProgram, ["status", "-o", "json"], { env }).catch(
      (error: { readonly stdout: string }) => error,
    );
    return JSON.parse(stdout) as PlatformStatus;
  };
  const paths = () => platformPaths(name, { stateDirectory: join(directory, "s"), runDirectory: join(directory, "r") });
  const pidOf = (platform: PlatformStatus, part: string): number =>
    platform.parts.find((each) => each.name === part)?.pid ?? 0;
  const kubectl = (args: readonly string[], input?: string): Promise<string> =>
    runKubectl(kubectlProgram, paths().managementKubeconfig, args, input);
  const until = async (wanted: (status: SupervisorStatus) => boolean): Promise<void> => {
    for await (const seen of control(paths().supervisorSocket, "watch", AbortSignal.timeout(120_000)))
      if (wanted(seen)) return;
    assert.fail("the supervisor has ended");
  };
  const allReady = (seen: SupervisorStatus): boolean => seen.units.every(({ state }) => state === "ready");

  test("up brings up every part, and tells how each is", async () => {
    await lm("up", "--management-plane");
    const up = await status();
    assert.equal(up.state, "running");
    assert.deepEqual(up.managementPlane?.parts, parts);
    assert.deepEqual(
      up.parts.filter(({ healthy }) => !healthy),
      [],
    );
    const versions = Object.fromEntries(up.parts.map((part) => [part.name, part.version]));
    assert.match(versions["kube-apiserver"] ?? "", /^v1\.\d+\.\d+$/);
    assert.match(versions["cluster-api"] ?? "", /^v1\.\d+\.\d+$/);
    for (const part of up.parts.filter(({ name: each }) => parts.includes(each))) {
      assert.ok((part.memoryBytes ?? 0) > 1_000_000, part.name);
      assert.notEqual(part.uptimeMs, null);
    }
    const bytes = up.managementPlane?.memoryBytes ?? 0;
    assert.ok(bytes > 0 && bytes < 1.4 * 2 ** 30, `the plane takes ${bytes} bytes`);
    assert.equal(up.managementPlane?.agentEndpoint, "127.0.0.1:9090");
    assert.match((await run(up.managementPlane?.kubectl ?? "", ["version", "--client"])).stdout, /v1\.\d+\.\d+/);
    assert.match(await lm("status"), /Memory: .* of which the management plane /);
  });

  test("kubectl and clusterctl's inventory are there by the kubeconfig that was written, for its owner only", async () => {
    assert.equal(statSync(paths().managementKubeconfig).mode & 0o777, 0o600);
    assert.equal(statSync(paths().managementDirectory).mode & 0o777, 0o700);
    const providers = await kubectl(["get", "providers.clusterctl.cluster.x-k8s.io", "-A", "-o", "name"]);
    assert.deepEqual(
      providers
        .trim()
        .split("\n")
        .map((each) => each.split("/")[1])
        .sort(),
      ["bootstrap-kubeadm", "cluster-api", "control-plane-kubeadm", "infrastructure-microvm"],
    );
    // Defaulted by capmvm, which says that its webhook is called.
    const cluster = {
      apiVersion: "infrastructure.cluster.x-k8s.io/v1beta2",
      kind: "MicrovmCluster",
      metadata: { name: "kept", namespace: "default" },
      spec: {},
    };
    await kubectl(["create", "-f", "-"], JSON.stringify(cluster)).catch((error: Error) =>
      assert.match(error.message, /admission webhook|spec/),
    );
    await kubectl(["create", "configmap", "kept", "--from-literal=a=b"]);
  });

  test("the gateway goes to the API server and nowhere else", async () => {
    const { proxyUrl } = (await status()).managementPlane ?? {};
    const port = Number(new URL(proxyUrl ?? "").port);
    assert.match(await answerTo(port, "CONNECT 127.0.0.1:6443 HTTP/1.1"), /^HTTP\/1\.1 200 /);
    for (const target of ["127.0.0.1:2379", "127.0.0.1:10257", "10.255.255.1:22", "localhost:6443", "[::1]:6443"])
      assert.match(await answerTo(port, `CONNECT ${target} HTTP/1.1`), /^HTTP\/1\.1 403 /, target);
    assert.match(await answerTo(port, "GET http://127.0.0.1:6443/ HTTP/1.1"), /^HTTP\/1\.1 405 /);
  });

  test("flintlockd answers inside, where capmvm finds it", async () => {
    const inside = [`--net=/run/netns/${paths().networkNamespace}`, "--", lmProgram];
    const command = [...inside, "vm", "list", "--host", "127.0.0.1:9090", "-o", "json"];
    const { stdout } = await run("nsenter", command, { env, timeout: 30_000 });
    assert.equal(stdout, "[]\n");
  });

  test("a second up leaves everything alone", async () => {
    const first = await status();
    await lm("up");
    const second = await status();
    assert.deepEqual(
      second.parts.map(({ pid }) => pid),
      first.parts.map(({ pid }) => pid),
    );
  });

  for (const part of parts) {
    test(`${part} is back after kill -9, and what was stored is there`, async () => {
      const before = await status();
      const killed = pidOf(before, part);
      process.kill(killed, "SIGKILL");
      await until((seen) => allReady(seen) && seen.units.find((each) => each.name === part)?.pid !== killed);
      assert.equal(await kubectl(["get", "configmap", "kept", "-o", "jsonpath={.data.a}"]), "b");
      const after = await status();
      assert.deepEqual(
        after.parts.filter(({ healthy }) => !healthy),
        [],
      );
      assert.equal((after.parts.find((each) => each.name === part)?.restarts ?? 0) >= 1, true);
    });
  }

  test("a killed supervisor harms nothing, and the next up takes everything over", async () => {
    const before = await status();
    process.kill(pidOf(before, "supervisor"), "SIGKILL");
    assert.equal(await kubectl(["get", "configmap", "kept", "-o", "jsonpath={.data.a}"]), "b");
    await lm("up");
    const after = await status();
    assert.equal(after.state, "running");
    for (const part of parts) assert.equal(pidOf(after, part), pidOf(before, part), part);
  });

  test("a platform without it has no process of it, and all of it is back when it is wanted again", async () => {
    const before = await status();
    await lm("up", "--no-management-plane");
    const without = await status();
    assert.equal(without.state, "running");
    assert.equal(without.managementPlane, undefined);
    assert.equal(pidOf(without, "flintlockd"), pidOf(before, "flintlockd"));
    assert.deepEqual(
      findPlatformProcesses([`${paths().managementDirectory}/`, `${paths().runDirectory}/gateway.json`]),
      [],
    );
    await lm("up", "--management-plane");
    assert.equal((await status()).state, "running");
    assert.equal(await kubectl(["get", "configmap", "kept", "-o", "jsonpath={.data.a}"]), "b");
  });

  test("down keeps what is stored, and no process; up brings it back at the same place", async () => {
    const kubeconfig = readFileSync(paths().managementKubeconfig, "utf8");
    await lm("down");
    assert.equal((await status()).state, "stopped");
    assert.deepEqual(findPlatformProcesses([`${paths().runDirectory}/`, `${paths().stateDirectory}/`]), []);
    await lm("up");
    assert.equal(readFileSync(paths().managementKubeconfig, "utf8"), kubeconfig);
    assert.equal(await kubectl(["get", "configmap", "kept", "-o", "jsonpath={.data.a}"]), "b");
    const log = readFileSync(join(paths().logDirectory, "plane-keeper.log"), "utf8");
    assert.equal(log.match(/applying \d+ objects of cluster-api/g)?.length, 1, "nothing is applied twice");
  });

  test("down --delete leaves nothing", async () => {
    const report: unknown = JSON.parse(await lm("down", "--delete", "--yes", "-o", "json"));
    assert.deepEqual(report, { name, deleted: true, leftovers: [] });
    assert.equal(existsSync(join(directory, "s")), false);
    assert.equal(existsSync(join(directory, "r")), false);
    assert.equal(existsSync(join("/run/netns", paths().networkNamespace)), false);
    assert.deepEqual(findPlatformProcesses([`${directory}/`]), []);
    assert.equal(readFileSync("/proc/self/mounts", "utf8").includes(directory), false);
  });
});

/** First line of what the gateway answers. */
function answerTo(port: number, request: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => socket.write(`${request}\r\nHost: x\r\n\r\n`));
    socket.setTimeout(20_000, () => socket.destroy(new Error("no answer")));
    socket.once("data", (chunk: Buffer) => {
      resolve(chunk.toString().split("\r\n")[0] ?? "");
      socket.destroy();
    });
    socket.once("error", reject);
  });
}
