/** capmvm as a program: under the rights of its released manifests, from start to SIGTERM, alone and one of two. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { get } from "node:https";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { PlaneProcess } from "@liquidmetal/management-plane";
import { eventually } from "../assets/management/json-api.ts";
import { ProofPlane } from "../assets/management/proof-plane.ts";

const leasePath = "/apis/coordination.k8s.io/v1/namespaces/capmvm-system/leases/controller-leader-elect-capmvm";
const program = join(import.meta.dirname, "../../bin/capmvm");

describe("capmvm as a program", () => {
  let proof: ProofPlane;
  const log = (process: PlaneProcess): string => readFileSync(process.logFile, "utf8");
  const says = (process: PlaneProcess, event: string): Promise<true> =>
    eventually(`it says ${event}`, async () => log(process).includes(`"event":"${event}"`) || undefined, {
      timeoutMs: 30_000,
    });
  const holder = async (): Promise<string> => {
    const { spec } = await proof.api.get(leasePath);
    return String((spec as { holderIdentity?: string } | undefined)?.holderIdentity ?? "");
  };
  const flags = [
    "--leader-elect",
    "--leader-elect-lease-duration=4s",
    "--leader-elect-renew-deadline=3s",
    "--leader-elect-retry-period=500ms",
  ];

  before(async () => {
    proof = await ProofPlane.start({ hosts: 1, capmvm: false });
  });
  after(async () => {
    await proof?.[Symbol.asyncDispose]();
  });

  it("works once it leads, with no right more than its role gives", async () => {
    const first = await proof.startCapmvm("capmvm", flags);
    await says(first, "runtime.working");
    assert.match(await holder(), /_[0-9a-f]{32}$/);
    assert.doesNotMatch(log(first), /forbidden/i);
  });

  it("shows its metrics to those who may read them, by HTTPS", async () => {
    const { metrics } = await proof.server.plane.ports(["metrics"]);
    const third = await proof.startCapmvm("capmvm-metrics", [`--diagnostics-address=127.0.0.1:${metrics}`, ...flags]);
    const rule = { nonResourceURLs: ["/metrics"], verbs: ["get"] };
    await proof.kubectl(
      ["apply", "-f", "-"],
      JSON.stringify({
        apiVersion: "v1",
        kind: "List",
        items: [
          role("ClusterRole", { rules: [rule] }),
          role("ClusterRoleBinding", {
            roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "reader" },
            subjects: [{ kind: "ServiceAccount", name: "reader", namespace: "default" }],
          }),
          ...["reader", "stranger"].map((name) => ({
            apiVersion: "v1",
            kind: "ServiceAccount",
            metadata: { name, namespace: "default" },
          })),
        ],
      }),
    );
    const token = async (name: string): Promise<string> => (await proof.kubectl(["create", "token", name])).trim();
    const read = (authorization?: string): Promise<{ status: number; text: string }> =>
      readMetrics(metrics, authorization);
    assert.equal((await read()).status, 401);
    assert.equal((await read(`Bearer ${await token("stranger")}`)).status, 403);
    const { status, text } = await read(`Bearer ${await token("reader")}`);
    assert.equal(status, 200);
    assert.match(text, /^leader_election_master_status\{name="controller-leader-elect-capmvm"\} 0$/m);
    await third.stop();
  });

  it("waits while another leads, and takes over when that one is asked to end", async () => {
    const second = await proof.startCapmvm("capmvm-second", flags);
    await says(second, "leader_election.waiting");
    assert.doesNotMatch(log(second), /runtime.working/);
    const before = await holder();
    const first = proof.capmvm;
    const began = performance.now();
    await first.stop();
    assert.match(log(first), /"event":"capmvm.stopping"[\s\S]*"event":"capmvm.stopped"/);
    await says(second, "runtime.working");
    assert.ok(performance.now() - began < 4_000, "the lease was released, and did not have to run out");
    assert.notEqual(await holder(), before);
    await second.stop();
    assert.equal(await holder(), "", "nobody holds the lease");
  });
});

describe("the command line of capmvm", () => {
  const run = (args: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }> =>
    new Promise((resolve) => {
      execFile(
        program,
        [...args],
        { env: { PATH: process.env["PATH"], HOME: "/nonexistent" } },
        (error, stdout, stderr) => resolve({ code: Number(error?.code ?? 0), stdout, stderr }),
      );
    });

  it("says its version", async () => {
    const { code, stdout } = await run(["--version"]);
    assert.equal(code, 0);
    assert.match(stdout, /^capmvm \d+\.\d+\.\d+\S* \(\S+\)\n$/);
  });

  it("says what is wrong, what to do, and ends with 2", async () => {
    const flag = await run(["--microvmmachine-concurency=3"]);
    assert.deepEqual([flag.code, flag.stdout], [2, ""]);
    assert.match(flag.stderr, /error: unknown option .*\n.*Did you mean --microvmmachine-concurrency\?\)\nhint: /);
    const nowhere = await run(["--logging-format=text"]);
    assert.equal(nowhere.code, 2);
    assert.match(nowhere.stderr, /error: .*KUBERNETES_SERVICE_HOST.*\nhint: /);
  });
});

const role = (kind: string, rest: object): object => ({
  apiVersion: "rbac.authorization.k8s.io/v1",
  kind,
  metadata: { name: "reader" },
  ...rest,
});

function readMetrics(port: number, authorization?: string): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const headers = authorization === undefined ? {} : { authorization };
    // Its certificate is its own, made at its start.
    get({ host: "127.0.0.1", port, path: "/metrics", headers, rejectUnauthorized: false }, (response) => {
      let text = "";
      response.on("data", (chunk: Buffer) => {
        text += chunk.toString();
      });
      response.on("end", () => resolve({ status: response.statusCode ?? 0, text }));
    }).on("error", reject);
  });
}
