import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { asInstalled, inventoryEntry } from "./clusterctl-inventory.ts";
import { parseManifests } from "./kustomize.ts";
import type { Manifest } from "./manifest.ts";
import { outsideCluster } from "./outside-cluster.ts";

const pods = parseManifests(`
apiVersion: apps/v1
kind: Deployment
metadata: { name: controller, namespace: x-system }
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata:
  name: validating
  annotations: { cert-manager.io/inject-ca-from: x-system/serving, keep: me }
webhooks:
  - name: a.x
    clientConfig: { service: { name: webhook-service, namespace: x-system, path: /validate } }
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: { name: things.x }
spec:
  conversion:
    strategy: Webhook
    webhook:
      conversionReviewVersions: [v1]
      clientConfig: { service: { name: webhook-service, namespace: x-system, path: /convert } }
---
---
apiVersion: cert-manager.io/v1
kind: Issuer
metadata: { name: issuer, namespace: x-system }
---
apiVersion: v1
kind: Namespace
metadata: { name: x-system }
---
apiVersion: v1
kind: Service
metadata: { name: webhook-service, namespace: x-system }
`);

const options = { webhooks: { "x-system/webhook-service": "https://127.0.0.1:9443" }, authority: "PEM" };

describe("manifests outside of a cluster", () => {
  const kept = outsideCluster(pods, options);
  const text = JSON.stringify(kept);

  it("keep what the API server needs, in the order in which it can be applied", () => {
    assert.deepEqual(
      kept.map(({ kind }) => kind),
      ["Namespace", "CustomResourceDefinition", "ValidatingWebhookConfiguration"],
    );
  });

  it("call loopback instead of Services, and trust the plane's authority", () => {
    const caBundle = Buffer.from("PEM").toString("base64");
    for (const path of ["/validate", "/convert"]) {
      assert.ok(text.includes(JSON.stringify({ url: `https://127.0.0.1:9443${path}`, caBundle })));
    }
    assert.ok(!text.includes('"service"'));
  });

  it("ask nobody to inject authorities", () => {
    assert.deepEqual(kept.at(-1)?.metadata.annotations, { keep: "me" });
  });

  it("are refused when a Service is called that nobody stands for", () => {
    assert.throws(() => outsideCluster(pods, { ...options, webhooks: {} }), {
      code: "CONFIG_INVALID",
      message: /x-system\/webhook-service/,
    });
  });

  it("leave what was given as it was", () => {
    assert.equal(pods.length, 6);
    assert.ok(JSON.stringify(pods).includes('"service"'));
  });

  it("carry the labels by which clusterctl finds them", () => {
    const provider = { name: "microvm", type: "InfrastructureProvider", version: "v1.0.0", namespace: "x" } as const;
    const [namespace] = asInstalled(kept, provider) as readonly [Manifest];
    assert.equal(namespace.metadata.labels?.["cluster.x-k8s.io/provider"], "infrastructure-microvm");
    assert.equal(namespace.metadata.labels?.["clusterctl.cluster.x-k8s.io"], "");
    const entry = inventoryEntry(provider);
    assert.equal(entry.metadata.name, "infrastructure-microvm");
    assert.equal(entry["providerName"], "microvm");
  });
});
