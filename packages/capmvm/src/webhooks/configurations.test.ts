import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { crds } from "../api/index.ts";
import { webhookConfigurations } from "./configurations.ts";
import { webhookRegistrations, webhookRoutes } from "./registrations.ts";

interface Configuration {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly annotations?: Record<string, string> };
  readonly webhooks: readonly {
    readonly name: string;
    readonly clientConfig: { readonly service?: { readonly path?: string } };
    readonly admissionReviewVersions: readonly string[];
    readonly rules: readonly { readonly apiVersions: readonly string[]; readonly resources: readonly string[] }[];
  }[];
}
const configurations = webhookConfigurations() as unknown as readonly Configuration[];

describe("the webhook configurations", () => {
  test("name resources that the CRDs have: upstream's singular is never called", () => {
    const plurals = new Set(crds().map(({ spec }) => spec.names["plural"]));
    for (const { webhooks } of configurations) {
      for (const { rules } of webhooks) {
        for (const { resources, apiVersions } of rules) {
          assert.ok(
            resources.every((one) => plurals.has(one)),
            String(resources),
          );
          assert.deepEqual(apiVersions, ["v1beta2"]);
        }
      }
    }
    assert.deepEqual([...plurals].toSorted(), webhookRegistrations.map(({ resource }) => resource.plural).toSorted());
  });

  test("name paths that are served, and no other is served but the conversion", () => {
    const asked = configurations.flatMap(({ webhooks }) =>
      webhooks.map(({ clientConfig }) => clientConfig.service?.path),
    );
    const served = webhookRoutes().map(({ path }) => path);
    assert.deepEqual([...asked, "/convert"].toSorted(), served.toSorted());
  });

  test("have upstream's names, one review version, and cert-manager's annotation unless told otherwise", () => {
    assert.deepEqual(
      configurations.map(({ metadata }) => metadata.name),
      ["capmvm-mutating-webhook-configuration", "capmvm-validating-webhook-configuration"],
    );
    assert.ok(
      configurations.every(({ webhooks }) => webhooks.every((one) => one.admissionReviewVersions.join() === "v1")),
    );
    assert.deepEqual(configurations[0]?.metadata.annotations, {
      "cert-manager.io/inject-ca-from": "capmvm-system/capmvm-serving-cert",
    });
    assert.equal(webhookConfigurations({ injectCaFrom: "" })[0]?.metadata?.annotations, undefined);
  });
});
