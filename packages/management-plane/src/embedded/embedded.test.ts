import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import type { Manifest } from "../manifests/manifest.ts";
import { writeAdminKubeconfig } from "./admin-kubeconfig.ts";
import { capmvmPlan } from "./capmvm-plan.ts";
import { planeManifests } from "./plane-manifests.ts";
import { keptPlanePorts, openPorts, usualPlanePorts, usualPorts } from "./plane-ports.ts";

describe("an embedded plane", () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "lm-embedded-"));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  test("has different ports, the usual ones in a namespace of its own", () => {
    const ports = Object.values(usualPorts);
    assert.equal(new Set(ports).size, ports.length);
    assert.equal(usualPlanePorts.apiServer["kube-apiserver"], 6443);
    assert.deepEqual(openPorts(usualPlanePorts), [9443, 9444, 9445]);
  });

  test("keeps free ports on a host, the same ones at every start", async () => {
    const first = await keptPlanePorts(directory);
    assert.deepEqual(await keptPlanePorts(directory), first);
    const all = [
      first.agent,
      first.keeper,
      ...Object.values(first.seats).flatMap(({ webhook, health }) => [webhook, health]),
    ];
    assert.equal(new Set(all).size, all.length);
  });

  test("leads webhooks to its own ports, and tells clusterctl what is installed", async () => {
    const authority = join(directory, "ca.crt");
    writeFileSync(authority, "PEM");
    const webhook = (namespace: string, name: string): Manifest => ({
      apiVersion: "admissionregistration.k8s.io/v1",
      kind: "ValidatingWebhookConfiguration",
      metadata: { name: `of-${namespace}` },
      webhooks: [{ clientConfig: { service: { namespace, name, path: "/check" } } }],
    });
    const definition: Manifest = {
      apiVersion: "v1",
      kind: "CustomResourceDefinition",
      metadata: { name: "providers" },
    };
    const sets = await planeManifests({
      authority,
      ports: usualPlanePorts,
      providers: {
        inventory: [definition],
        seats: {
          "cluster-api": [webhook("capi-system", "capi-webhook-service")],
          "kubeadm-bootstrap": [],
          "kubeadm-control-plane": [],
          capmvm: [webhook("capmvm-system", "capmvm-webhook-service")],
        },
      },
    });
    assert.deepEqual(
      sets.map(({ name }) => name),
      ["inventory", "cluster-api", "kubeadm-bootstrap", "kubeadm-control-plane", "capmvm"],
    );
    const [configuration, entry] = sets.at(-1)?.manifests ?? [];
    assert.deepEqual(configuration?.["webhooks"], [
      { clientConfig: { url: "https://127.0.0.1:9446/check", caBundle: Buffer.from("PEM").toString("base64") } },
    ]);
    assert.equal(configuration?.metadata.labels?.["cluster.x-k8s.io/provider"], "infrastructure-microvm");
    assert.equal(entry?.kind, "Provider");
    assert.equal(entry?.metadata.name, "infrastructure-microvm");
  });

  test("tells tools of the host to go through the proxy, and leaves a file alone that says so already", async () => {
    const pair = { certificate: join(directory, "a.crt"), key: join(directory, "a.key") };
    writeFileSync(pair.certificate, "certificate");
    writeFileSync(pair.key, "key");
    const certificates = {
      ...{ directory, authority: pair, serving: pair, admin: pair, controllerManager: pair, etcdAuthority: pair },
      ...{ etcd: pair, etcdClient: pair, serviceAccounts: { privateKey: "", publicKey: "" } },
    };
    const file = join(directory, "admin.kubeconfig");
    const options = { file, url: "https://127.0.0.1:6443", certificates, proxyUrl: "http://127.0.0.1:20000" };
    await writeAdminKubeconfig(options);
    const { mtimeNs, ino, mode } = statSync(file, { bigint: true });
    assert.equal(Number(mode) & 0o777, 0o600);
    assert.match(readFileSync(file, "utf8"), /"proxy-url": "http:\/\/127\.0\.0\.1:20000"/);
    await writeAdminKubeconfig(options);
    assert.deepEqual([statSync(file, { bigint: true }).mtimeNs, statSync(file, { bigint: true }).ino], [mtimeNs, ino]);
  });

  test("runs capmvm where only loopback reaches it", () => {
    const plan = capmvmPlan({
      ...{ file: "node", arguments: ["main.ts"], kubeconfig: "/k", webhookCertificates: "/w" },
      ports: { webhook: 1, health: 2 },
    });
    assert.ok(plan.arguments.includes("--webhook-host=127.0.0.1"));
    assert.ok(plan.arguments.includes("--health-addr=127.0.0.1:2"));
    assert.equal(plan.ready.url, "http://127.0.0.1:2/readyz");
  });
});
