import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { PlaneCertificates } from "../certificates/plane-certificates.ts";
import { clusterApiProviders } from "../manifests/cluster-api-manifests.ts";
import { apiServerPlan } from "./api-server-plan.ts";
import { clusterApiManagers, managerPlan } from "./cluster-api-plan.ts";
import { kubeconfig } from "./kubeconfig.ts";

const pair = (name: string): { readonly certificate: string; readonly key: string } => ({
  certificate: `/c/${name}.crt`,
  key: `/c/${name}.key`,
});
const certificates: PlaneCertificates = {
  directory: "/c",
  authority: pair("ca"),
  serving: pair("serving"),
  admin: pair("admin"),
  controllerManager: pair("kcm"),
  etcdAuthority: pair("etcd-ca"),
  etcd: pair("etcd"),
  etcdClient: pair("etcd-client"),
  serviceAccounts: { privateKey: "/c/sa.key", publicKey: "/c/sa.pub" },
};
const base = {
  directory: "/plane",
  certificates,
  ports: { etcd: 1, "etcd-peer": 2, "kube-apiserver": 3, "kube-controller-manager": 4 },
  environment: {},
  durable: true,
  apiServerArguments: ["--last=word"],
};

describe("the plan of a plane", () => {
  it("starts each process after what it needs", () => {
    const plans = apiServerPlan({ ...base, controllerManagerKubeconfig: "/plane/kcm.kubeconfig" });
    assert.deepEqual(
      plans.map(({ name, after }) => [name, after]),
      [
        ["etcd", []],
        ["kube-apiserver", ["etcd"]],
        ["kube-controller-manager", ["kube-apiserver"]],
      ],
    );
    assert.equal(apiServerPlan(base).length, 2, "without its kubeconfig no controller manager");
  });

  it("lets nothing listen but on loopback, and etcd talk to nobody without a certificate", () => {
    const flags = apiServerPlan({ ...base, controllerManagerKubeconfig: "/k" }).flatMap((plan) => plan.arguments);
    for (const flag of flags.filter((each) => /^--(listen|bind|advertise)/.test(each)))
      assert.match(flag, /127\.0\.0\.1/);
    assert.equal(flags.filter((flag) => flag === "--bind-address=127.0.0.1").length, 2);
    assert.ok(flags.includes("--client-cert-auth=true") && flags.includes("--peer-client-cert-auth=true"));
  });

  it("gives up flushing only where the data is thrown away", () => {
    const has = (durable: boolean): boolean =>
      apiServerPlan({ ...base, durable })[0]?.arguments.includes("--unsafe-no-fsync") === true;
    assert.equal(has(true), false);
    assert.equal(has(false), true);
  });

  it("gives every manager a port of its own and no leader election", () => {
    const ports = { webhook: 9000, health: 9001 };
    for (const provider of clusterApiProviders) {
      const plan = managerPlan({ provider, kubeconfig: "/k", webhookCertificates: "/w", ports, environment: {} });
      assert.equal(plan.program, clusterApiManagers[provider].program);
      assert.ok(
        plan.arguments.includes("--webhook-port=9000") && plan.arguments.includes("--health-addr=127.0.0.1:9001"),
      );
      assert.ok(!plan.arguments.some((flag) => flag.startsWith("--leader-elect")));
    }
  });
});

describe("a kubeconfig", () => {
  it("refers to files that are read again, and holds no secret", () => {
    const text = kubeconfig("https://127.0.0.1:3", "/c/ca.crt", { tokenFile: "/plane/x.token" });
    const { users, clusters } = JSON.parse(text);
    assert.deepEqual(users[0].user, { tokenFile: "/plane/x.token" });
    assert.deepEqual(clusters[0].cluster, { server: "https://127.0.0.1:3", "certificate-authority": "/c/ca.crt" });
  });
});
