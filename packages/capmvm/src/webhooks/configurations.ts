/** The configurations that tell the API server of our admission webhooks. `npm run generate` writes them to deploy/capmvm/webhook/configurations.yaml. */
import type { KubernetesObject, WebhookAddress } from "@liquidmetal/kubernetes";
import { type WebhookRegistration, webhookRegistrations } from "./registrations.ts";

export interface WebhookConfigurationOptions {
  /** Where webhooks are reached, by their path. Default: the Service of the released manifests. */
  readonly address?: (path: string) => WebhookAddress;
  /** cert-manager's Certificate `namespace/name` whose CA the API server shall trust. Default: the released one; "" = none. */
  readonly injectCaFrom?: string;
}

const releasedAddress = (path: string): WebhookAddress => ({
  service: { namespace: "capmvm-system", name: "capmvm-webhook-service", path },
});

/** One MutatingWebhookConfiguration and one ValidatingWebhookConfiguration, by upstream's names. */
export function webhookConfigurations(options: WebhookConfigurationOptions = {}): readonly KubernetesObject[] {
  const { address = releasedAddress, injectCaFrom = "capmvm-system/capmvm-serving-cert" } = options;
  const annotations = injectCaFrom === "" ? {} : { annotations: { "cert-manager.io/inject-ca-from": injectCaFrom } };
  const configuration = (kind: string, name: string, webhooks: readonly object[]): object => ({
    apiVersion: "admissionregistration.k8s.io/v1",
    kind,
    metadata: { name, ...annotations },
    webhooks,
  });
  const mutating = webhookRegistrations.map((one) => webhook(one, "default", address(one.mutatingRoute.path)));
  const validating = webhookRegistrations.map((one) => webhook(one, "validation", address(one.validatingRoute.path)));
  return [
    configuration("MutatingWebhookConfiguration", "capmvm-mutating-webhook-configuration", mutating),
    configuration("ValidatingWebhookConfiguration", "capmvm-validating-webhook-configuration", validating),
  ];
}

function webhook({ resource, annotations }: WebhookRegistration, verb: string, clientConfig: WebhookAddress): object {
  const operations = ["CREATE", "UPDATE"];
  const { group, version, kind, plural } = resource;
  return {
    name: `${verb}.${kind.toLowerCase()}.${group}`,
    admissionReviewVersions: ["v1"],
    clientConfig,
    rules: [{ apiGroups: [group], apiVersions: [version], operations, resources: [plural], scope: "Namespaced" }],
    matchPolicy: "Equivalent",
    failurePolicy: "Fail",
    sideEffects: "None",
    timeoutSeconds: 10,
    matchConditions: [{ name: "something-to-look-at", expression: changed(annotations) }],
  };
}

/** CEL: the object is new, its spec is, or one of the annotations that the rules look at. */
function changed(annotations: readonly string[]): string {
  const values = annotations.map(
    (name) => `object.metadata.?annotations[?'${name}'] != oldObject.metadata.?annotations[?'${name}']`,
  );
  return ["request.operation == 'CREATE'", "object.?spec != oldObject.?spec", ...values].join(" || ");
}
